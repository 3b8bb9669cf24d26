import assert from 'node:assert/strict'
import {BusError} from '../../../src/lib/core/errors.ts'
import {isUnambiguous, maskedUrl, withoutSecrets} from '../../../src/lib/core/secrets.ts'
import {isHttpUrl} from '../../../src/lib/messaging/sinks/webhook-options.ts'
import {parseServers} from '../../../src/lib/transport/nats/servers.ts'
import {hasLogin, isServer, shownBus} from '../../../src/lib/transport/schemes.ts'
import {areServers, serversIn} from '../../../src/lib/transport/server-urls.ts'
import {partsOf, refused, type Target} from '../target.ts'

/** No other part of the URLs below contains these. */
const [first, last] = ['Hunter', 'Zwei']

/** The middle of a password, and URLs: neither what is shown of a URL nor an error contains the password. */
export const target: Target = {
  seeds: [
    ', /@tcp\nnats://ann:p@h:4222,h2/?token=x#y',
    "'\nws://h/a/b?c=d",
    '%zz\nann:p@h',
    '@h:4222,\nnats://[::1]:4222',
    '?a=\nhttps://h.example/hooks/0123456789abcdef0123456789?x',
  ],
  words: [
    ...['nats://', 'tls://', 'ws://', 'wss://', 'http://', 'h:4222', '@', ':', '/', '//', '?', '#', '&', '=', ',', '%'],
    ...[
      '%40',
      '%2F',
      '[::1]',
      '\\',
      ' ',
      '"',
      "'",
      '\n',
      '***',
      'C:\\',
      'sqlite:',
      'libbus:',
      'memory:',
      '.db',
      'token=',
    ],
  ],
  run(bytes) {
    const [middle = '', text = ''] = partsOf(bytes, 2)
    for (const show of [maskedUrl, withoutSecrets, shownBus]) assert.equal(typeof show(text), 'string')
    for (const look of [isUnambiguous, isHttpUrl, areServers, isServer]) look(text)
    refused(() => serversIn(text))
    refused(() => hasLogin(text))
    refused(() => parseServers(text))
    const password = `${first}${middle}${last}`
    for (const url of [
      `nats://ann:${password}@h:4222`,
      // What precedes a colon is the user.
      ...(/^[^@]*:/.test(middle) ? [] : [`nats://${password}@h:4222`]),
      `nats://h:4222,nats://ann:${password}@h2:4222`,
      `wss://ann:${password}@h/path`,
      `ann:${password}@h:4222`,
      `nats:ann:${password}@h`,
    ])
      assertHidden(url)
  },
}

function assertHidden(url: string): void {
  assertWithout(shownBus(url), url)
  assertWithout(maskedUrl(url), url)
  try {
    assertWithout(parseServers(url).shown, url)
  } catch (error) {
    if (!(error instanceof BusError)) throw error
    assertWithout([error.message, ...error.try].join('\n'), url)
  }
}

function assertWithout(shown: string, url: string): void {
  assert.ok(
    !shown.includes(first) && !shown.includes(last),
    `${JSON.stringify(url)} is shown as ${JSON.stringify(shown)}`,
  )
}
