/** Durable consumers by name: making, finding, moving and removing them, and becoming a member. */
import {BusError} from '../../../core/errors.ts'
import {checkPattern} from '../../../core/subject.ts'
import {interruptedError} from '../../shared/requests.ts'
import {otherConsumer} from '../../shared/stream-errors.ts'
import type {
  ConsumeOptions,
  ConsumerInfo,
  ConsumerSettings,
  Consumers,
  Consuming,
  Start,
} from '../../streams-contract.ts'
import {ask, codeOf, codes} from './api.ts'
import {checkName, pages} from './catalogue.ts'
import type {ConsumerConfigJson, ConsumerJson, StreamJson} from './json.ts'
import {read} from './open-reading.ts'
import {Pulling} from './pulling.ts'
import {Pushed} from './pushed.ts'
import {isSince, type Line} from './session.ts'
import {consumerInfo, consumerJson, isConsumerAsWanted, manyDeliveries, startJson} from './settings.ts'

export function consumers(line: Line): Consumers {
  return {
    add: (stream, settings) => add(line, checkName('stream', stream), settings),
    info: async (stream, consumer) => consumerInfo(await find(line, stream, consumer)),
    async list(stream) {
      const operation = `CONSUMER.LIST.${checkName('stream', stream)}`
      const found = await pages<ConsumerJson, 'consumers'>(line, operation, 'consumers', {}, stream)
      return found.map(consumerInfo).sort((a, b) => (a.config.name < b.config.name ? -1 : 1))
    },
    async remove(stream, consumer) {
      const operation = `CONSUMER.DELETE.${checkName('stream', stream)}.${checkName('consumer', consumer)}`
      await ask(line, operation, undefined, {stream, consumer})
    },
    reset: (stream, consumer, to) => reset(line, stream, consumer, to),
    consume: (stream, consumer, options) => consume(line, stream, consumer, options),
  }
}

function find(line: Line, stream: string, consumer: string): Promise<ConsumerJson> {
  const operation = `CONSUMER.INFO.${checkName('stream', stream)}.${checkName('consumer', consumer)}`
  return ask(line, operation, undefined, {stream, consumer})
}

async function add(line: Line, stream: string, settings: ConsumerSettings): Promise<ConsumerInfo> {
  const consumer = checkName('consumer', settings.name)
  check(line, settings)
  // Servers before 2.10 would change one that is there.
  const has = isSince(line, 2, 10) ? undefined : await existing(line, stream, consumer)
  if (has !== undefined) return asWanted(line, settings, has)
  try {
    return consumerInfo(await create(line, stream, consumerJson(settings)))
  } catch (error) {
    if (codeOf(error) === codes.backoffTooLong && settings.maxDeliver === undefined)
      return consumerInfo(await create(line, stream, {...consumerJson(settings), max_deliver: manyDeliveries}))
    if (codeOf(error) !== codes.consumerExists) throw error
    return asWanted(line, settings, await find(line, stream, consumer))
  }
}

function check(line: Line, {filters = [], deliver}: ConsumerSettings): void {
  for (const filter of filters) checkPattern(filter)
  if (filters.length > 1 && !isSince(line, 2, 10)) {
    const version = line.version().join('.')
    throw new BusError('usage', `the server of ${line.url} is ${version}: several filters need 2.10`, {
      try: ['one filter with wildcards', 'a consumer for each'],
    })
  }
  if (typeof deliver === 'object' && 'seq' in deliver && deliver.seq < 1)
    throw new BusError('usage', `there is no sequence ${deliver.seq}: they begin at 1`)
  if (typeof deliver === 'object' && 'last' in deliver)
    throw new BusError('usage', 'a consumer cannot begin at the last so many messages', {try: ['a sequence or a time']})
}

async function existing(line: Line, stream: string, consumer: string): Promise<ConsumerJson | undefined> {
  try {
    return await find(line, stream, consumer)
  } catch (error) {
    if (codeOf(error) === codes.consumerNotFound) return undefined
    throw error
  }
}

function asWanted(line: Line, settings: ConsumerSettings, json: ConsumerJson): ConsumerInfo {
  const has = consumerInfo(json)
  if (isConsumerAsWanted(settings, has)) return has
  throw otherConsumer(line.url, has.stream, settings.name, {data: {code: codes.consumerExists}})
}

function create(line: Line, stream: string, config: ConsumerConfigJson): Promise<ConsumerJson> {
  const consumer = config.durable_name ?? config.name
  const body = {stream_name: stream, config, action: 'create'}
  return ask(line, `CONSUMER.CREATE.${stream}.${consumer}`, body, {stream, consumer})
}

async function reset(line: Line, stream: string, consumer: string, to: Start | undefined): Promise<ConsumerInfo> {
  const {config} = await find(line, stream, consumer)
  const seq = await seqOf(line, stream, config, to)
  if (isSince(line, 2, 14)) {
    try {
      const json = await ask<ConsumerJson>(line, `CONSUMER.RESET.${stream}.${consumer}`, {seq}, {stream, consumer})
      return consumerInfo(json)
    } catch (error) {
      // It goes only to where a new consumer with this configuration might begin.
      if (codeOf(error) !== codes.resetNotAllowed) throw error
    }
  }
  await ask(line, `CONSUMER.DELETE.${stream}.${consumer}`, undefined, {stream, consumer})
  const {opt_start_seq: _seq, opt_start_time: _time, ...rest} = config
  return consumerInfo(await create(line, stream, {...rest, ...startJson({seq})}))
}

/** The sequence from which on the consumer is to deliver. */
async function seqOf(line: Line, stream: string, config: ConsumerConfigJson, to: Start | undefined): Promise<number> {
  if (to !== undefined && 'seq' in to) return Math.max(1, to.seq)
  const {filter_subject: filter, filter_subjects: filters = filter ? [filter] : []} = config
  if (to !== undefined) {
    await using reading = await read(line, stream, {from: to, filters})
    const [first] = await reading.take(1)
    if (first?.seq !== undefined) return first.seq
  }
  const {state} = await ask<StreamJson>(line, `STREAM.INFO.${stream}`, undefined, {stream})
  return state.last_seq + 1
}

async function consume(line: Line, stream: string, consumer: string, options: ConsumeOptions = {}): Promise<Consuming> {
  line.check()
  if (options.signal?.aborted) throw interruptedError()
  const info = await find(line, stream, consumer)
  if (options.signal?.aborted) throw interruptedError()
  if (info.config.deliver_subject === undefined) return new Pulling(line, info, options)
  if (info.push_bound && !info.config.deliver_group) {
    const sentence = `the push consumer ${consumer} of ${stream} on ${line.url} is bound: its messages go to somebody else`
    throw new BusError('denied', sentence, {try: ['end the other one', 'a pull consumer: several share it']})
  }
  const member = new Pushed(line, info, options)
  await line.answered()
  return member
}
