/** Gets single messages from any replica (ADR-31): without JSON, and without the queue of the leader's API. */
import {isFailure} from '../../../core/errors.ts'
import {type Headers, Message} from '../../../core/message.ts'
import {matches} from '../../../core/subject.ts'
import type {JetStreamSession} from './session.ts'
import {timeOf} from './settings.ts'

/** Which message, in JetStream's terms. */
export type Which = {readonly seq: number} | {readonly last_by_subj: string}

/** Headers that the server adds. */
const added = /^Nats-(Stream|Subject|Sequence|Time-Stamp|Num-Pending|Last-Sequence)$/

/** Undefined if there is none; `refused` if only the leader can tell, for example because the stream does not allow this. */
export async function directly(
  session: JetStreamSession,
  stream: string,
  which: Which,
): Promise<Message | undefined | 'refused'> {
  const exact = 'last_by_subj' in which && !/[*>]/.test(which.last_by_subj) ? which.last_by_subj : undefined
  const subject = `${session.apiPrefix}.DIRECT.GET.${stream}`
  const request = exact === undefined ? {subject, data: JSON.stringify(which)} : {subject: `${subject}.${exact}`}
  const timeoutMs = session.answerTimeoutMs()
  const reply = await session.request(request, {timeoutMs}).catch((error: unknown) => {
    if (isFailure(error, 'noResponders', 'timeout', 'denied')) return undefined
    throw error
  })
  if (reply === undefined) return 'refused'
  const value = (name: string) => reply.headers.find(([header]) => header === name)?.[1]
  const found = value('Nats-Subject')
  const [seq, time] = [Number(value('Nats-Sequence')), timeOf(value('Nats-Time-Stamp') ?? '')]
  const isIt = 'seq' in which ? seq === which.seq : found !== undefined && matches(which.last_by_subj, found)
  if (
    found !== undefined &&
    isIt &&
    value('Nats-Stream') === stream &&
    Number.isSafeInteger(seq) &&
    !Number.isNaN(time)
  )
    return new Message(found, reply.payload, own(reply.headers), undefined, seq, time)
  return value('Status') === '404' ? undefined : 'refused'
}

function own(headers: Headers): Headers {
  return headers.filter(([name]) => !added.test(name))
}
