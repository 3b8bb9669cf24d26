import assert from 'node:assert/strict'
import {parseWebhookOptions, shownWebhook} from '../../../src/lib/messaging/sinks/webhook-options.ts'
import {offsetIn, storedOffset} from '../../../src/lib/protocols/event-delivery/registry.ts'
import {
  parseOptions,
  parseSubscription,
  subscriptionJson,
} from '../../../src/lib/protocols/event-delivery/subscription.ts'
import {parsed} from '../parsed.ts'
import {refused, type Target, textOf} from '../target.ts'

const subscription = {
  ...{id: 'i', namespace: 'S', name: 'app', transport: 'websockets', filter: {}, ephemeral: false},
  ...{created: '', updated: '', options: parseOptions({}, {withData: true})},
}

/** What the bucket of subscriptions contains, one entry per line: subscriptions, offsets, options of webhooks. */
export const target: Target = {
  seeds: [
    '{"id":"1","namespace":"S","name":"app","transport":"webhooks","filter":{"topic":"^a"},"options":{"firstEvent":"5","deadLetter":"dead.{subject}","maxRejects":3,"url":"http://u:p@h/"}}\n{"offset":5,"stream":"x","writer":"w"}\n-3',
    '{"method":"put","headers":{"A":"Hunter-2","Accept":"x"},"query":{"t":"Hunter-2"},"auth":{"token":"Hunter-2"},"url":"http://u:Hunter-2@h/?x=Hunter-2"}',
    '{"tls":{"ca":"/a","cert":"env://C","key":"file:///k"},"httpOptions":{"proxyURL":"http://u:Hunter-2@p:1","requestTimeout":"5s","maxIdleConns":1},"retry":{"enabled":true,"count":2,"initialDelay":"1s"},"json":true,"input":{"body":"b"}}',
    '{"offset":-1}\n{"offset":1e300}\n{"offset":"5"}\n[]',
  ],
  words: [
    ...[
      '{"id":"1","namespace":"S","name":"app",',
      '"options":{',
      '"filter":{',
      '"url":"http://',
      '"offset":',
      '"stream":"',
    ],
    ...[
      '"headers":{"A":"Hunter-2"',
      '"query":{"',
      '"auth":{"password":"Hunter-2"',
      '"tls":{"',
      '"httpOptions":{"proxyURL":"',
    ],
    ...[
      '"retry":{',
      '"deadLetter":"',
      '{subject}',
      'env://',
      'file://',
      'Hunter-2',
      '@',
      '}',
      '"',
      ',',
      '-1',
      'null',
      '\n',
      '__proto__',
    ],
  ],
  run(bytes) {
    for (const line of textOf(bytes).split('\n').slice(0, 10)) {
      const json = parsed(line)
      const parsedOne = refused(() => parseSubscription(json))
      if (parsedOne !== undefined)
        assert.deepEqual(parseSubscription(JSON.parse(JSON.stringify(subscriptionJson(parsedOne)))), parsedOne)
      storedOffset(line)
      const place = refused(() => offsetIn({key: 'k', value: line, revision: 1} as never, subscription))
      if (place !== undefined) assert.ok(Number.isSafeInteger(place.offset) && place.offset >= 0, String(place.offset))
      if (typeof json !== 'object' || json === null || Array.isArray(json)) continue
      const options = json as Record<string, unknown>
      const {others} = refused(() => parseWebhookOptions(options)) ?? {}
      const shown = JSON.stringify(shownWebhook(options))
      if (others !== undefined && Object.keys(others).every((name) => name === 'url'))
        for (const part of secretsOf(options)) assert.ok(!shown.includes(part), shown)
    }
  },
}

/** The password that the words contain, where it is one. */
function secretsOf({headers, query, auth}: Readonly<Record<string, unknown>>): string[] {
  const values = [headers, query, auth].flatMap((one) => Object.entries(one ?? {}))
  const secrets = values.filter(([name]) => !/^(?:accept|content-type|user-agent|username)$/i.test(name))
  return secrets.map(([, value]) => String(value)).filter((value) => value === 'Hunter-2')
}
