/** Plans a read of a range: where it starts, where it ends, and how it is done. */
import {interruptedError, isFailure} from '../../../core/errors.ts'
import {checkPatterns} from '../../../core/subject.ts'
import type {Subscription} from '../../contract.ts'
import {codeOf, jetStreamErrors} from '../../shared/jetstream-errors.ts'
import {checkRead} from '../../shared/stream-settings.ts'
import type {ReadOptions, Start} from '../../streams-contract.ts'
import {fetchStream, stored} from './catalogue.ts'
import {type Ephemeral, makeEphemeral} from './ephemeral.ts'
import type {ConsumerConfigJson, StreamJson} from './json.ts'
import {NatsReading, type ReadPlan} from './reading.ts'
import type {JetStreamSession} from './session.ts'
import {startJson} from './settings.ts'
import {Walk} from './walk.ts'

export async function read(
  session: JetStreamSession,
  stream: string,
  options: ReadOptions = {},
): Promise<Subscription> {
  session.check()
  const {signal, from, to, follow = false, lastPerSubject = false} = options
  checkRead(options)
  const filters = options.filters?.length ? checkPatterns(options.filters) : []
  if (signal?.aborted) throw interruptedError()
  const info = await fetchStream(session, stream, signal)
  const endSeq = follow ? Number.POSITIVE_INFINITY : info.state.last_seq
  const plan: ReadPlan = {
    stream,
    created: info.created,
    filters: filters.includes('>') ? [] : filters,
    start: {
      ...(lastPerSubject ? startJson('lastPerSubject') : startOf(from)),
      ...(options.withoutPayload && {headers_only: true}),
    },
    fromSeq: from !== undefined && 'seq' in from ? Math.max(1, from.seq) : 1,
    fromTime: from !== undefined && 'timeMs' in from ? from.timeMs : Number.NEGATIVE_INFINITY,
    endSeq: to !== undefined && 'seq' in to ? Math.min(to.seq, endSeq) : endSeq,
    endTime: to !== undefined && 'timeMs' in to ? to.timeMs : Number.POSITIVE_INFINITY,
    limit: Number.POSITIVE_INFINITY,
    skip: 0,
    lastPerSubject,
    follow,
    isReplicated: info.config.num_replicas > 1,
    signal,
  }
  // A consumer would affect which messages are removed from this stream, or is not possible at all.
  if (info.config.retention !== 'limits') return walkOf(session, plan, info, from)
  try {
    if (from !== undefined && 'last' in from) return await readLast(session, plan, info, from.last)
    return begin(session, plan, await makeEphemeral(session, stream, plan.start, plan.filters))
  } catch (error) {
    const why = await reasonToWalk(session, stream, error)
    if (why === undefined) throw error
    session.notify('error', `${why}: reading its messages one by one, without a consumer, which is slower`)
    return walkOf(session, plan, info, from)
  }
}

/** Why there is no consumer to read with, if single messages can be read; otherwise the failure is final. */
async function reasonToWalk(session: JetStreamSession, stream: string, error: unknown): Promise<string | undefined> {
  const code = codeOf(error)
  if (code === jetStreamErrors.tooManyConsumers.code)
    return `stream ${stream} already has the maximum number of consumers`
  if (code === jetStreamErrors.inactiveLimit.code) return `stream ${stream} keeps unused consumers for too short a time`
  if (!isFailure(error, 'denied')) return undefined
  const mayGet = await stored(session, stream, {seq: 1}).then(
    () => true,
    () => false,
  )
  return mayGet ? `this login may not create a consumer on stream ${stream}` : undefined
}

function startOf(from: Start | undefined): ConsumerConfigJson {
  if (from === undefined || 'last' in from) return startJson('all')
  if ('seq' in from) return startJson(from)
  // Slightly earlier, because times are compared here, limited by the precision of a number.
  return startJson({timeMs: Math.max(0, from.timeMs - 1)})
}

function begin(session: JetStreamSession, plan: ReadPlan, consumer: Ephemeral): Subscription {
  if (plan.signal?.aborted) {
    consumer.remove()
    throw interruptedError()
  }
  return new NatsReading(session, plan, consumer)
}

/** The server places each consumer on a random replica. */
const mostAttempts = 12

/** The last `count` messages at the moment of the consumer's creation. */
async function readLast(
  session: JetStreamSession,
  plan: ReadPlan,
  {state, cluster}: StreamJson,
  count: number,
): Promise<Subscription> {
  const {stream, filters, follow} = plan
  // A replica that lags behind counts fewer messages than the leader of the stream.
  const make = async (seq: number) => {
    for (let attempt = 1; ; attempt++) {
      const consumer = await makeEphemeral(session, stream, startJson({seq}), filters)
      const isExact = !plan.isReplicated || consumer.leader === cluster?.leader
      if (isExact || attempt === mostAttempts) return consumer
      consumer.remove()
    }
  }
  const list = async (fromSeq: number) => {
    const range = {...plan, start: startJson({seq: fromSeq}), fromSeq, endSeq: state.last_seq, follow: false}
    return seqsOf(begin(session, range, await make(fromSeq)))
  }
  const {seq: fromSeq, skip, consumer} = await lastStart(state, count, make, list)
  const limit = follow ? Number.POSITIVE_INFINITY : count
  const endSeq = plan.endSeq === state.last_seq ? Number.POSITIVE_INFINITY : plan.endSeq
  return begin(session, {...plan, start: startJson({seq: fromSeq}), fromSeq, skip, limit, endSeq}, consumer)
}

async function walkOf(
  session: JetStreamSession,
  plan: ReadPlan,
  {state}: StreamJson,
  from: Start | undefined,
): Promise<Subscription> {
  const {first_seq: firstSeq, last_seq: lastSeq} = state
  if (from === undefined || !('last' in from))
    return new Walk(session, {...plan, fromSeq: Math.max(plan.fromSeq, firstSeq)})
  const list = (fromSeq: number) => seqsOf(new Walk(session, {...plan, fromSeq, endSeq: lastSeq, follow: false}))
  return new Walk(session, {...plan, fromSeq: await listed(firstSeq, lastSeq + 1, from.last, list)})
}

async function seqsOf(reading: Subscription): Promise<number[]> {
  const seqs: number[] = []
  for await (const {seq} of reading) if (seq !== undefined) seqs.push(seq)
  return seqs
}

interface LastStart {
  readonly seq: number
  /** How many messages precede the first requested one. */
  readonly skip: number
  readonly consumer: Ephemeral
}

/** Up to this many messages are skipped instead of searched for. */
const mostSkipped = 4096

/**
 * Finds the start of the last `count` messages. Sequences may have gaps and filters exclude some, but a consumer reports on
 * creation how many messages it will deliver. A consumer created `count` sequences before the end is usually right; otherwise
 * another guess is made. `make` creates a consumer at a sequence; `list` reads the messages from a sequence on, if consumers
 * cannot count.
 */
async function lastStart(
  state: {readonly first_seq: number; readonly last_seq: number},
  count: number,
  make: (seq: number) => Promise<Ephemeral>,
  list: (seq: number) => Promise<readonly number[]>,
): Promise<LastStart> {
  const first = Math.max(1, state.first_seq)
  const end = state.last_seq + 1
  let few = end
  let seq = Math.max(first, end - count)
  for (let low = first; ; ) {
    const consumer = await make(seq)
    if (consumer.isWide) {
      consumer.remove()
      const exact = await listed(first, end, count, list)
      return {seq: exact, skip: 0, consumer: await make(exact)}
    }
    const {pending} = consumer
    const isEnough = pending >= count
    if (isEnough ? pending - count <= mostSkipped || few - seq <= 1 : seq <= low)
      return {seq, skip: Math.max(0, pending - count), consumer}
    consumer.remove()
    if (isEnough) low = seq
    else few = seq
    // As far back as an even distribution of messages suggests, plus a margin; once there were too many, half way.
    const far = pending === 0 ? 8 : Math.min(8, (1.2 * count) / pending)
    const isBetween = low > first || isEnough
    seq = isBetween ? Math.floor((low + few) / 2) : Math.max(first, end - Math.ceil((end - seq) * far) - 1)
  }
}

/** Goes back in growing steps and reads the messages found. */
async function listed(first: number, end: number, count: number, list: (seq: number) => Promise<readonly number[]>) {
  for (let size = count * 2; ; size *= 4) {
    const from = Math.max(first, end - size)
    const seqs = await list(from)
    if (seqs.length >= count || from === first) return seqs.at(-count) ?? first
  }
}
