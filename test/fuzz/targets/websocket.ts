import assert from 'node:assert/strict'
import {Message} from '../../../src/lib/core/message.ts'
import {deliveredOf, messageOf} from '../../../src/lib/protocols/event-delivery/client.ts'
import {eventOf} from '../../../src/lib/protocols/event-delivery/event.ts'
import {parseOptions, websocketOptions} from '../../../src/lib/protocols/event-delivery/subscription.ts'
import {Connection} from '../../../src/lib/protocols/event-delivery/websocket-connection.ts'
import {parseAction, parseQuery} from '../../../src/lib/protocols/event-delivery/websocket-protocol.ts'
import {parsed} from '../parsed.ts'
import {refused, type Target, textOf} from '../target.ts'

/** Actions of a client of the gateway, one per line, and the query of its URL. */
export const target: Target = {
  seeds: [
    '{"type":"start","namespace":"ORDERS","name":"app"}\n{"type":"ack","id":"1"}\n{"type":"nack","retryAfter":5,"info":"x"}',
    '{"type":"start","namespace":"S","ephemeral":true,"autoack":true,"filter":{"topic":"^a","message":{"tag":"x"}},"options":{"firstEvent":"oldest","readAhead":5,"batch":true}}',
    '?namespace=ORDERS&name=app&autoack&filter.topic=^orders&filter.message.tag=x&readahead=50&firstevent=-1&batch',
    '{"id":"1","sequence":1,"type":"message","namespace":"S","topic":"a","created":"2026-11-20T10:00:00Z","data":{"headers":{"A":["1"]},"base64":"YQ=="},"subscription":{"id":"i","namespace":"S","name":"app"}}',
    '{"type":"event_batch","id":"b","subscription":{},"events":[]}',
    '{"type":"protocol_error","error":"x"}',
    '{"type":"ack","subscription":{"namespace":"S","name":"app"}}',
    '{"id":"x","namespace":"S","name":"app","options":{"deadLetter":"dead"},"filter":{"tag":"x"}}',
  ],
  words: [
    ...[
      '{"type":"start",',
      '{"type":"ack",',
      '{"type":"nack",',
      '"namespace":"S",',
      '"name":"app"',
      '"ephemeral":true',
      '"id":"1"',
    ],
    ...[
      '"filter":{',
      '"options":{',
      '"firstEvent":',
      '"readAhead":',
      '"batchTimeout":"',
      '"withData":',
      '"__proto__":{',
      'null',
      '}',
    ],
    ...[
      '\n',
      '&',
      '=',
      'filter.',
      'namespace=',
      'name=',
      'ephemeral',
      '%00',
      '"retryAfter":1e99',
      '"subscription":{',
      '[',
      '"autoack":true',
    ],
  ],
  async run(bytes) {
    const text = textOf(bytes)
    const url = URL.parse(`/${text.slice(0, 2000)}`, 'ws://localhost')
    const query = url === null ? undefined : refused(() => parseQuery(url.searchParams))
    if (query !== undefined) refused(() => websocketOptions(query.options))
    for (const event of refused(() => deliveredOf(text))?.events ?? []) refused(() => messageOf(event))
    const said = new Said()
    for (const line of text.split('\n').slice(0, 20)) {
      refused(() => parseAction(line))
      refused(() => parseOptions(parsed(line), {withData: true}))
      said.connection.take(line)
    }
    if (query !== undefined) said.connection.take(query)
    await new Promise(setImmediate)
    said.assertSound()
    said.connection.end()
  },
}

/** A connection over a socket that leads nowhere, with one event in flight. */
class Said {
  readonly connection: Connection
  readonly #frames: string[] = []
  #code: number | undefined

  constructor() {
    const socket = {
      OPEN: 1,
      readyState: 1,
      send: (frame: string) => this.#frames.push(frame),
      close: (code: number) => {
        this.#code ??= code
      },
      terminate: () => undefined,
    }
    const subscription = {
      ...{id: 'i', namespace: 'S', name: 'app', transport: 'websockets', filter: {}, ephemeral: false},
      ...{created: '', updated: '', options: parseOptions({}, {withData: true})},
    }
    const event = eventOf('S', new Message('a', '{}', undefined, undefined, 1))
    this.connection = new Connection({
      id: 'c',
      socket: socket as never,
      wantsNotices: true,
      maxSubscriptions: 3,
      gather: () => undefined,
      warn: (line: string) => assert.doesNotMatch(line, /TypeError|RangeError|internal/),
      callbacks: {
        registerConnection: (_id, matches) => {
          if (matches(subscription)) this.connection.send({id: '1', subscription, events: [event]})
        },
        ephemeralSubscription: async (_id, namespace) => ({id: 'e', namespace, name: 'e'}),
        whyWaiting: async () => undefined,
        connectionClosed: () => undefined,
        deliveryResponse: () => undefined,
      },
    })
  }

  assertSound(): void {
    for (const frame of this.#frames) assert.notEqual(JSON.parse(frame).error, 'internal error')
    const failed = this.#frames.filter((frame) => frame.includes('"protocol_error"'))
    assert.equal(failed.length > 0, this.#code !== undefined)
  }
}
