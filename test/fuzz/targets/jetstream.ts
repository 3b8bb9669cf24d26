import assert from 'node:assert/strict'
import {Message} from '../../../src/lib/core/message.ts'
import {discover} from '../../../src/lib/protocols/loom-rpc/discover.ts'
import {AckSubject} from '../../../src/lib/transport/nats/streams/ack-subject.ts'
import {catalogue} from '../../../src/lib/transport/nats/streams/catalogue.ts'
import {consumers} from '../../../src/lib/transport/nats/streams/consumers.ts'
import {Elections} from '../../../src/lib/transport/nats/streams/elections.ts'
import type {JetStreamSession} from '../../../src/lib/transport/nats/streams/session.ts'
import {StoredReader} from '../../../src/lib/transport/nats/streams/stored.ts'
import {refusedLater, type Target} from '../target.ts'

const state =
  '"state":{"messages":3,"bytes":9,"first_seq":1,"last_seq":3,"first_ts":"2026-11-20T10:00:00.5Z","last_ts":"2026-11-20T10:00:01Z","num_subjects":1,"subjects":{"a":3},"consumer_count":0}'
const config =
  '"config":{"name":"S","subjects":["a"],"retention":"limits","storage":"file","discard":"old","max_age":0,"max_msgs":-1,"max_bytes":-1,"max_msgs_per_subject":-1,"num_replicas":1}'
const stream = `{${config},"created":"2026-11-20T10:00:00Z",${state}}`
const consumer =
  '{"stream_name":"S","name":"c","created":"2026-11-20T10:00:00Z","config":{"durable_name":"c","ack_policy":"explicit","ack_wait":30000000000,"filter_subject":"a"},"delivered":{"consumer_seq":1,"stream_seq":1},"ack_floor":{"consumer_seq":0,"stream_seq":0},"num_ack_pending":1,"num_redelivered":0,"num_pending":2}'

/** Responses on `$JS.API`, on `$SRV.INFO` and to publishes: from a server, or from any other subscriber. */
export const target: Target = {
  seeds: [
    ...[
      stream,
      consumer,
      `{"total":1,"offset":0,"limit":256,"streams":[${stream}]}`,
      `{"total":1,"consumers":[${consumer}]}`,
    ],
    '{"error":{"code":404,"err_code":10059,"description":"stream not found"}}',
    '{"message":{"subject":"a","seq":1,"hdrs":"TkFUUy8xLjANCkE6IDENCg0K","data":"aGk=","time":"2026-11-20T10:00:00.123456789Z"}}',
    '{"stream":"S","seq":12}',
    '{"stream":"S", "seq":12, "duplicate":true}',
    '{"endpoints":[{"subject":"loom.rpc.a.b.c"}]}',
    '$JS.ACK.S.c.1.2.3.1763632800123456789.4',
  ],
  words: [
    ...[
      '"error":{',
      '"code":',
      '"err_code":',
      '"description":"',
      '"config":{',
      '"state":{',
      '"streams":[',
      '"consumers":[',
      '"total":',
    ],
    ...[
      '"message":{',
      '"hdrs":"',
      '"data":"',
      '"time":"',
      '"stream":"',
      '"seq":',
      '"subjects":',
      'null',
      '"x"',
      '1e400',
      '[',
      '{',
      '}',
      '10059',
    ],
    ...['$JS.ACK.', '.', '"endpoints":[', '"subject":'],
  ],
  async run(bytes) {
    const session = lineThatAnswers(bytes)
    const [streams, durables] = [catalogue(session), consumers(session)]
    const asked: (() => Promise<unknown>)[] = [
      () => streams.info('S'),
      () => streams.list(),
      () => streams.add({name: 'S', subjects: ['a']}),
      () => streams.subjects('S'),
      () => streams.keeping('a.*'),
      () => streams.get('S', 1),
      () => streams.purge('S'),
      () => durables.list('S'),
      () => durables.info('S', 'c'),
      () => durables.add('S', {name: 'c'}),
    ]
    for (const ask of asked) await refusedLater(ask)
    await refusedLater(() => discover(lineAsBus(bytes), {prefix: 'loom.rpc'}))
    assertStored(bytes)
    const ack = new AckSubject()
    if (ack.read(bytes)) assert.equal(typeof ack.seq + typeof ack.time, 'numbernumber')
  },
}

/** Gives the same response to every request, and then stops: a list would never end. */
function lineThatAnswers(bytes: Uint8Array): JetStreamSession {
  let left = 40
  const request = async () => new Message('_INBOX.1', --left > 0 ? bytes : '{"error":{"code":500}}')
  const elections = new Elections(
    () => false,
    () => undefined,
    undefined,
  )
  const session = {
    url: 'nats://fuzz',
    version: () => [2, 12, 0],
    check: () => undefined,
    answerTimeoutMs: () => 5000,
    listen: () => () => undefined,
    request,
    elections,
  }
  return session as unknown as JetStreamSession
}

function lineAsBus(bytes: Uint8Array): Parameters<typeof discover>[0] {
  const requestMany = async function* () {
    yield new Message('_INBOX.1', bytes)
  }
  return {requestMany, flush: async () => undefined} as unknown as Parameters<typeof discover>[0]
}

/** Parsing by pattern and as JSON gives the same result. */
function assertStored(bytes: Uint8Array): void {
  const learned = new StoredReader('nats://fuzz')
  learned.read(Buffer.from('{"stream":"S","seq":1}'), 0)
  for (const reader of [new StoredReader('nats://fuzz'), learned]) {
    reader.read(bytes, bytes.length >> 1)
    const refusal = reader.read(bytes, 0)
    if (refusal !== undefined) continue
    assert.equal(typeof reader.stream, 'string')
    assert.equal(typeof reader.seq, 'number')
    if (Number.isSafeInteger(reader.seq)) assert.deepEqual(reader.stored, storedAgain(bytes))
  }
}

function storedAgain(bytes: Uint8Array): unknown {
  const reader = new StoredReader('nats://fuzz')
  reader.read(bytes, 0)
  return reader.stored
}
