/** Durable consumers by name: creates, finds, moves and removes them, and takes messages as a member. */
import {BusError, interruptedError} from '../../../core/errors.ts'
import {checkPattern} from '../../../core/subject.ts'
import {isoTime} from '../../../core/time/timestamp.ts'
import {codeOf, jetStreamErrors} from '../../shared/jetstream-errors.ts'
import {consumerInUse, noGroup, otherConsumer} from '../../shared/stream-errors.ts'
import {checkDeliver, checkStoreName, startWithin} from '../../shared/stream-settings.ts'
import type {
  ConsumeOptions,
  ConsumerChanges,
  ConsumerInfo,
  ConsumerSettings,
  Consumers,
  Consuming,
  DeliverPolicy,
  Start,
} from '../../streams-contract.ts'
import {apiRequest} from './api.ts'
import {fetchStream, listAll} from './catalogue.ts'
import type {ConsumerConfigJson, ConsumerJson, PageJson} from './json.ts'
import {read} from './open-reading.ts'
import {PullMember} from './pull-member.ts'
import {PushMember} from './push-member.ts'
import {isSince, type JetStreamSession} from './session.ts'
import {
  changedConsumerJson,
  consumerDifferences,
  consumerInfo,
  consumerJson,
  manyDeliveries,
  startJson,
} from './settings.ts'
import {checkSince} from './since.ts'

export function consumers(session: JetStreamSession): Consumers {
  return {
    add: (stream, settings) => add(session, checkStoreName('stream', stream), settings),
    update: (stream, consumer, changes) => update(session, stream, consumer, changes),
    async pause(stream, consumer, untilMs) {
      await find(session, stream, consumer)
      if (!isSince(session, 2, 11)) {
        const version = session.version().join('.')
        throw new BusError('usage', `the server of ${session.url} is ${version}: pausing a consumer needs 2.11`)
      }
      const body = untilMs === undefined ? {} : {pause_until: isoTime(untilMs)}
      await apiRequest(session, `CONSUMER.PAUSE.${stream}.${consumer}`, body, {stream, consumer})
      return consumerInfo(await find(session, stream, consumer))
    },
    async unpin(stream, consumer, group) {
      const {config} = await find(session, stream, consumer)
      if (!config.priority_groups?.includes(group)) throw noGroup(consumer, group)
      await apiRequest(session, `CONSUMER.UNPIN.${stream}.${consumer}`, {group}, {stream, consumer})
    },
    async info(stream, consumer) {
      const raw = await find(session, stream, consumer)
      return {...consumerInfo(raw), raw}
    },
    async list(stream, options) {
      const operation = `CONSUMER.LIST.${checkStoreName('stream', stream)}`
      const items = (page: PageJson) => (page as PageJson & {consumers: readonly ConsumerJson[] | null}).consumers ?? []
      // Of a consumer whose servers are offline, only the configuration has the name.
      const nameOf = ({name, config}: ConsumerJson) => name || (config.durable_name ?? '')
      const found = await listAll(session, {operation, stream, items, nameOf}, options)
      return found.map(consumerInfo).sort((a, b) => (a.config.name < b.config.name ? -1 : 1))
    },
    async remove(stream, consumer) {
      const operation = `CONSUMER.DELETE.${checkStoreName('stream', stream)}.${checkStoreName('consumer', consumer)}`
      await apiRequest(session, operation, undefined, {stream, consumer})
    },
    reset: (stream, consumer, to) => reset(session, stream, consumer, to),
    consume: (stream, consumer, options) => consume(session, stream, consumer, options),
    failures: () => Promise.reject(noFailures(session)),
    forget: () => Promise.reject(noFailures(session)),
  }
}

function noFailures({url}: JetStreamSession): BusError {
  return new BusError('usage', `${url} has no list of failed messages, only advisories`)
}

function find(session: JetStreamSession, stream: string, consumer: string): Promise<ConsumerJson> {
  const operation = `CONSUMER.INFO.${checkStoreName('stream', stream)}.${checkStoreName('consumer', consumer)}`
  return apiRequest(session, operation, undefined, {stream, consumer})
}

async function add(session: JetStreamSession, stream: string, wanted: ConsumerSettings): Promise<ConsumerInfo> {
  const consumer = checkStoreName('consumer', wanted.name)
  check(session, wanted)
  const settings = {...wanted, deliver: await startOf(session, stream, wanted.deliver)}
  // Servers before 2.10 would change an existing one.
  const has = isSince(session, 2, 10) ? undefined : await existing(session, stream, consumer)
  if (has !== undefined) return asWanted(session, settings, has)
  const json = consumerJson(settings, settings.isPush ? session.newInbox() : undefined)
  checkSince(session, json)
  try {
    return consumerInfo(await create(session, stream, json))
  } catch (error) {
    if (codeOf(error) === jetStreamErrors.backoffTooLong.code && settings.maxDeliver === undefined)
      return consumerInfo(await create(session, stream, {...json, max_deliver: manyDeliveries}))
    if (codeOf(error) !== jetStreamErrors.consumerExists.code) throw error
    return asWanted(session, settings, await find(session, stream, consumer))
  }
}

async function update(
  session: JetStreamSession,
  stream: string,
  consumer: string,
  changes: ConsumerChanges,
): Promise<ConsumerInfo> {
  check(session, {name: consumer, ...changes})
  const {name, config: has} = await find(session, stream, consumer)
  const config = changedConsumerJson(name, has, changes)
  checkSince(session, config)
  const body = {stream_name: stream, config, action: 'update'}
  return consumerInfo(await apiRequest(session, `CONSUMER.CREATE.${stream}.${consumer}`, body, {stream, consumer}))
}

/** The server would wait for the message with the sequence of a start after the end. */
async function startOf(
  session: JetStreamSession,
  stream: string,
  deliver: DeliverPolicy | undefined,
): Promise<DeliverPolicy | undefined> {
  if (typeof deliver !== 'object' || !('seq' in deliver)) return deliver
  const {state} = await fetchStream(session, stream)
  return startWithin(deliver, state.last_seq + 1)
}

function check(session: JetStreamSession, {filters = [], deliver}: ConsumerSettings): void {
  for (const filter of filters) checkPattern(filter)
  if (filters.length > 1 && !isSince(session, 2, 10)) {
    const version = session.version().join('.')
    throw new BusError('usage', `the server of ${session.url} is ${version}: several filters need 2.10`, {
      try: ['one filter with wildcards', 'a consumer for each'],
    })
  }
  if (deliver !== undefined) checkDeliver(deliver)
}

async function existing(
  session: JetStreamSession,
  stream: string,
  consumer: string,
): Promise<ConsumerJson | undefined> {
  try {
    return await find(session, stream, consumer)
  } catch (error) {
    if (codeOf(error) === jetStreamErrors.consumerNotFound.code) return undefined
    throw error
  }
}

function asWanted(session: JetStreamSession, settings: ConsumerSettings, json: ConsumerJson): ConsumerInfo {
  const has = consumerInfo(json)
  const differing = consumerDifferences(has, settings)
  if (differing === '') return has
  throw otherConsumer(session.url, has, differing, {data: {code: jetStreamErrors.consumerExists.code}})
}

function create(session: JetStreamSession, stream: string, config: ConsumerConfigJson): Promise<ConsumerJson> {
  const consumer = config.durable_name ?? config.name
  const body = {stream_name: stream, config, action: 'create'}
  return apiRequest(session, `CONSUMER.CREATE.${stream}.${consumer}`, body, {stream, consumer})
}

async function reset(
  session: JetStreamSession,
  stream: string,
  consumer: string,
  to: Start | undefined,
): Promise<ConsumerInfo> {
  const info = await find(session, stream, consumer)
  const {config} = info
  if (isInUse(info)) throw consumerInUse(session.url, stream, consumer)
  const seq = await seqOf(session, stream, config, to)
  if (isSince(session, 2, 14)) {
    try {
      const json = await apiRequest<ConsumerJson>(
        session,
        `CONSUMER.RESET.${stream}.${consumer}`,
        {seq},
        {stream, consumer},
      )
      return consumerInfo(json)
    } catch (error) {
      // The server accepts only positions at which a new consumer with this configuration might start.
      if (codeOf(error) !== jetStreamErrors.resetNotAllowed.code) throw error
    }
  }
  await apiRequest(session, `CONSUMER.DELETE.${stream}.${consumer}`, undefined, {stream, consumer})
  const {opt_start_seq: _seq, opt_start_time: _time, ...rest} = config
  return consumerInfo(await create(session, stream, {...rest, ...startJson({seq})}))
}

/** Another client would get the messages again, or not at all. */
function isInUse({push_bound: isBound, num_waiting: waiting = 0}: ConsumerJson): boolean {
  return isBound === true || waiting > 0
}

/** The sequence from which the consumer will deliver. */
async function seqOf(
  session: JetStreamSession,
  stream: string,
  config: ConsumerConfigJson,
  to: Start | undefined,
): Promise<number> {
  if (to !== undefined && 'seq' in to) {
    // A position after the end would skip messages that are stored later.
    const {state} = await fetchStream(session, stream)
    return Math.max(1, Math.min(to.seq, state.last_seq + 1))
  }
  const {filter_subject: filter, filter_subjects: filters = filter ? [filter] : []} = config
  if (to !== undefined) {
    await using reading = await read(session, stream, {from: to, filters})
    const [first] = await reading.take(1)
    if (first?.seq !== undefined) return first.seq
  }
  const {state} = await fetchStream(session, stream)
  return state.last_seq + 1
}

async function consume(
  session: JetStreamSession,
  stream: string,
  consumer: string,
  options: ConsumeOptions = {},
): Promise<Consuming> {
  session.check()
  if (options.signal?.aborted) throw interruptedError()
  const info = await find(session, stream, consumer)
  if (options.signal?.aborted) throw interruptedError()
  if (info.config.deliver_subject === undefined) return new PullMember(session, info, options)
  if (info.push_bound && !info.config.deliver_group) {
    const sentence = `the push consumer ${consumer} of ${stream} on ${session.url} is bound: its messages go to another client`
    throw new BusError('denied', sentence, {try: ['end the other one', 'a pull consumer: several share it']})
  }
  const member = new PushMember(session, info, options)
  await session.answered()
  return member
}
