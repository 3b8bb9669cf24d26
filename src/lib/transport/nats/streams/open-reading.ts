/** From a range to a reading: where it begins, where it ends, and how it is read. */
import {checkPatterns} from '../../../core/subject.ts'
import type {Subscription} from '../../contract.ts'
import {interruptedError} from '../../shared/requests.ts'
import {checkRead} from '../../shared/stream-settings.ts'
import type {ReadOptions, Start} from '../../streams-contract.ts'
import {ask} from './api.ts'
import {checkName} from './catalogue.ts'
import {type Ephemeral, makeEphemeral} from './ephemeral.ts'
import type {ConsumerConfigJson, StreamJson} from './json.ts'
import {lastStart} from './last-start.ts'
import {type Plan, Reading} from './reading.ts'
import type {Line} from './session.ts'
import {startJson} from './settings.ts'
import {Walk} from './walk.ts'

export async function read(line: Line, stream: string, options: ReadOptions = {}): Promise<Subscription> {
  line.check()
  const {signal, from, to, follow = false, lastPerSubject = false} = options
  checkRead(options)
  const filters = options.filters?.length ? checkPatterns(options.filters) : []
  if (signal?.aborted) throw interruptedError()
  const info = await ask<StreamJson>(line, `STREAM.INFO.${checkName('stream', stream)}`, undefined, {stream, signal})
  const endSeq = follow ? Number.POSITIVE_INFINITY : info.state.last_seq
  const plan: Plan = {
    stream,
    filters: filters.includes('>') ? [] : filters,
    start: lastPerSubject ? startJson('lastPerSubject') : startOf(from),
    fromSeq: from !== undefined && 'seq' in from ? Math.max(1, from.seq) : 1,
    fromTime: from !== undefined && 'timeMs' in from ? from.timeMs : Number.NEGATIVE_INFINITY,
    endSeq: to !== undefined && 'seq' in to ? Math.min(to.seq, endSeq) : endSeq,
    endTime: to !== undefined && 'timeMs' in to ? to.timeMs : Number.POSITIVE_INFINITY,
    limit: Number.POSITIVE_INFINITY,
    skip: 0,
    lastPerSubject,
    follow,
    signal,
  }
  // A consumer of ours would change what other consumers leave in the stream, or is not even possible.
  if (info.config.retention !== 'limits') return walkOf(line, plan, info, from)
  if (from !== undefined && 'last' in from) return readLast(line, plan, info, from.last)
  return begin(line, plan, await makeEphemeral(line, stream, plan.start, plan.filters))
}

function startOf(from: Start | undefined): ConsumerConfigJson {
  if (from === undefined || 'last' in from) return startJson('all')
  if ('seq' in from) return startJson(from)
  // A little before: times are compared here, where they are as exact as a number can be.
  return startJson({timeMs: Math.max(0, from.timeMs - 1)})
}

function begin(line: Line, plan: Plan, consumer: Ephemeral): Subscription {
  if (plan.signal?.aborted) {
    consumer.remove()
    throw interruptedError()
  }
  return new Reading(line, plan, consumer)
}

/** The last so many as of the moment when the consumer is made. */
async function readLast(line: Line, plan: Plan, {state}: StreamJson, count: number): Promise<Subscription> {
  const {stream, filters, follow} = plan
  const make = (seq: number) => makeEphemeral(line, stream, startJson({seq}), filters)
  const list = async (fromSeq: number) => {
    const range = {...plan, start: startJson({seq: fromSeq}), fromSeq, endSeq: state.last_seq, follow: false}
    return seqsOf(begin(line, range, await make(fromSeq)))
  }
  const {seq: fromSeq, skip, consumer} = await lastStart(state, count, make, list)
  const limit = follow ? Number.POSITIVE_INFINITY : count
  const endSeq = plan.endSeq === state.last_seq ? Number.POSITIVE_INFINITY : plan.endSeq
  return begin(line, {...plan, start: startJson({seq: fromSeq}), fromSeq, skip, limit, endSeq}, consumer)
}

async function walkOf(line: Line, plan: Plan, {state}: StreamJson, from: Start | undefined): Promise<Subscription> {
  const {first_seq: firstSeq, last_seq: lastSeq} = state
  if (from === undefined || !('last' in from))
    return new Walk(line, {...plan, fromSeq: Math.max(plan.fromSeq, firstSeq)})
  const seqs = await seqsOf(new Walk(line, {...plan, fromSeq: firstSeq, endSeq: lastSeq, follow: false}))
  return new Walk(line, {...plan, fromSeq: seqs.at(-from.last) ?? firstSeq})
}

async function seqsOf(reading: Subscription): Promise<number[]> {
  const seqs: number[] = []
  for await (const {seq} of reading) if (seq !== undefined) seqs.push(seq)
  return seqs
}
