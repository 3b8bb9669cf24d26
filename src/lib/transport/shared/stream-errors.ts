/** Failures of streams and consumers: one sentence for each, the same on every bus. */

import {BusError, type FailureDetails} from '../../core/errors.ts'
import {reworded} from '../../core/rewording.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import type {ConsumerInfo, StreamConfig} from '../streams-contract.ts'
import {jetStreamErrors, kindOfCode} from './jetstream-errors.ts'

/** JetStream's `err_code` and the foreign error, if they exist. */
type Known = Pick<FailureDetails, 'cause' | 'data'>

export function noStream(url: string, stream: string, known: Known = {}): BusError {
  return new BusError('notFound', `there is no stream ${stream} on ${url}`, {
    data: {code: jetStreamErrors.streamNotFound.code},
    ...known,
    try: ['bus stream ls'],
  })
}

/** A read does not continue in another stream with the same name. */
export function recreated(url: string, stream: string): BusError {
  return new BusError(
    'notFound',
    `the stream ${stream} on ${url} was removed, and another one was created in its place`,
    {
      try: ['run it again to read the new one'],
    },
  )
}

/** A reader does not continue with another consumer with the same name, to which its acknowledgements do not belong. */
export function recreatedConsumer(url: string, stream: string, consumer: string): BusError {
  const sentence = `the consumer ${consumer} of ${stream} on ${url} was removed, and another one was created in its place`
  return new BusError('notFound', sentence, {try: ['run it again to use the new one']})
}

/** `differences` as text. */
export function otherStream(url: string, stream: string, differences: string, known: Known = {}): BusError {
  return new BusError('usage', `there is a stream ${stream} on ${url} with another configuration: ${differences}`, {
    ...known,
    try: [`bus stream info ${shellWord(stream)}`],
  })
}

export function overlapping(url: string, subject: string, other: string, cause?: unknown): BusError {
  const sentence = `the subject "${subject}" overlaps with those of the stream ${other} on ${url}`
  return new BusError('usage', sentence, {
    cause,
    data: {code: jetStreamErrors.overlap.code, stream: other},
    try: [`bus stream info ${shellWord(other)}`],
  })
}

/** The data of a timeout in which the bus itself gave no answer; others say that a service or a message did not come in time. */
export const unanswered = {unanswered: true} as const

/** Some streams or consumers are on servers that do not answer, so a list is incomplete. */
export function unreachableError(url: string, names: readonly string[]): BusError {
  return new BusError('timeout', `no server answers on ${url} for ${names.join(', ')}`, {
    data: {unreachable: names, ...unanswered},
    try: ['check which servers of the cluster are running: bus doctor'],
  })
}

/** A consumer is not moved while a client takes from it: that client would get messages again, or not at all. */
export function consumerInUse(url: string, stream: string, consumer: string): BusError {
  return new BusError('denied', `the consumer ${consumer} of ${stream} on ${url} is in use: it was not moved`, {
    data: {stream, consumer},
    try: ['stop the other client first', `bus consumer info ${shellWord(stream)} ${shellWord(consumer)}`],
  })
}

/** No stream stores the subject of a message. */
export function notKept(url: string, subject: string): BusError {
  return new BusError('notFound', `no stream on ${url} stores "${subject}"`, {
    try: [`bus stream add NAME ${shellWord(subject)}`],
  })
}

/** A stream refused a message: JetStream's `err_code` and sentence. */
export function refused(url: string, stream: string, code: number, text: string): BusError {
  const kind = kindOfCode(code) === 'denied' ? 'denied' : 'remote'
  return new BusError(kind, `the stream ${stream} on ${url} refused the message: ${text}`, {data: {code, stream}})
}

/** Whether a bus or a stream refused a message because of its size. */
export function isTooLarge(error: unknown): error is BusError {
  if (!(error instanceof BusError)) return false
  const {tooLarge, headersTooLarge} = jetStreamErrors
  return (
    error.code === 'tooLarge' || [tooLarge.code, headersTooLarge.code].some((code) => code === error.data?.['code'])
  )
}

/** Throws `denied` if the stream refuses purges. */
export function checkPurgeable(url: string, {name, denyPurge, sealed}: StreamConfig): void {
  if (!denyPurge && !sealed) return
  const why = sealed ? 'it is sealed' : 'it has the option deny_purge'
  throw new BusError('denied', `the stream ${name} on ${url} cannot be purged: ${why}`, {
    try: [`bus stream info ${shellWord(name)}`],
    data: {code: (sealed ? jetStreamErrors.sealed : jetStreamErrors.purgeDenied).code},
  })
}

/** A server would still change some settings. */
export function sealedStream(url: string, stream: string): BusError {
  return new BusError('denied', `the stream ${stream} on ${url} is sealed: it cannot be changed`, {
    data: {code: jetStreamErrors.sealed.code},
  })
}

/** Throws `denied` if the stream refuses to delete messages. */
export function checkErasable(url: string, {name, denyDelete, sealed}: StreamConfig): void {
  if (denyDelete || sealed) throw notErasable(url, name, sealed ? 'it is sealed' : 'it has the option deny_delete')
}

export function notErasable(url: string, stream: string, why: string, known: Known = {}): BusError {
  return new BusError('denied', `the stream ${stream} on ${url} deletes no messages: ${why}`, {
    ...known,
    try: [`bus stream info ${shellWord(stream)}`],
  })
}

/** No acknowledgement arrived in time. */
export function lateError(url: string, subject: string, timeoutMs: number): BusError {
  return new BusError('timeout', `no stream acknowledged "${subject}" within ${timeoutMs} ms on ${url}`, {
    try: ['a longer --timeout', 'the same message again, with a Nats-Msg-Id: it is then stored once'],
    data: unanswered,
  })
}

/** `which` describes the requested message: `with the sequence 7`, `of orders.*`. */
export function noMessage(url: string, stream: string, which: string, known: Known = {}): BusError {
  return new BusError('notFound', `the stream ${stream} on ${url} has no message ${which}`, {
    data: {code: jetStreamErrors.messageNotFound.code},
    ...known,
    try: [`bus stream info ${shellWord(stream)}`],
  })
}

export function noConsumer(url: string, stream: string, consumer: string, known: Known = {}): BusError {
  const sentence = `the stream ${stream} on ${url} has no consumer ${consumer}`
  return new BusError('notFound', sentence, {...known, try: [`bus consumer ls ${shellWord(stream)}`]})
}

/** `differences` as text. */
export function otherConsumer(
  url: string,
  {stream, config}: Pick<ConsumerInfo, 'stream' | 'config'>,
  differences: string,
  known: Known = {},
): BusError {
  const {name} = config
  const sentence = `the stream ${stream} on ${url} has a consumer ${name} with another configuration: ${differences}`
  return new BusError('usage', sentence, {
    ...known,
    try: [`bus consumer info ${shellWord(stream)} ${shellWord(name)}`],
  })
}

/** Only a server has priority groups. */
export function noGroup(consumer: string, group: string): BusError {
  return new BusError('notFound', `the consumer ${consumer} has no priority group ${group}`)
}

/** The failure of the message with this index among those that were pushed. */
export function placed<T>(error: T, index: number): T | BusError {
  return error instanceof BusError ? reworded(error, error.message, {index}) : error
}
