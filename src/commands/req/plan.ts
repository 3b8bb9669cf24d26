import {bodyFlags, expect} from '../../lib/cli/flags/body.ts'
import {count, duration, type FlagValues, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {replyViewFlags, type ViewFlags} from '../../lib/cli/flags/view.ts'
import {readBody} from '../../lib/cli/io/input.ts'
import {formatCount, formatDuration} from '../../lib/cli/render/units.ts'
import {viewKindOf} from '../../lib/cli/render/view.ts'
import type {Outgoing} from '../../lib/core/message.ts'
import {checkSubject} from '../../lib/core/subject.ts'
import {compileExpectations, type Judge} from '../../lib/messaging/pubsub/expect.ts'
import type {Question, TimedReply} from '../../lib/messaging/pubsub/request.ts'
import {compileTemplate, type Maker, randomPayloads} from '../../lib/messaging/pubsub/template.ts'

export const reqFlags = {
  header: bodyFlags.header,
  file: bodyFlags.file,
  encoding: bodyFlags.encoding,
  size: bodyFlags.size,
  template: bodyFlags.template,
  replies: count('end after this many replies'),
  'until-idle': duration('end when no reply has arrived for this long'),
  'until-empty': toggle('end at the first empty reply'),
  count: variant(pacingFlags.count, {
    description: 'send this many requests and show their latencies',
    exclusive: ['replies', 'until-idle', 'until-empty'],
  }),
  concurrency: variant(pacingFlags.concurrency, {
    description: 'with --count: requests in flight at the same time (default: 1)',
    dependsOn: ['count'],
  }),
  'ack-is-reply': toggle('accept the acknowledgement of a stream that stores the request as a reply'),
  ...replyViewFlags,
  expect,
}

export type ReqFlags = FlagValues<typeof reqFlags> & {
  readonly subject: string
  readonly body?: string | undefined
  readonly json?: boolean | undefined
  readonly timeout: number
}

export interface ReqPlan {
  /** Makes the next request. */
  readonly make: Maker
  readonly bounds: Omit<Question, 'message'>
  readonly judge: Judge
  /** Only a service error counts as a failure of a reply. */
  readonly expectsNothing: boolean
}

/** Checks the flags, compiles the expectations and reads the body before a bus is opened. Fails with `usage`. */
export async function planRequests(flags: ReqFlags, signal: AbortSignal): Promise<ReqPlan> {
  if (!flags.template) checkSubject(flags.subject)
  const {expect = [], timeout, replies, size} = flags
  const judge = await compileExpectations(expect, flags.subject)
  const data = await readBody(flags, signal)
  const pattern: Outgoing = {subject: flags.subject, data, headers: flags.header}
  const make = flags.template ? compileTemplate(pattern) : () => pattern
  return {
    make: size === undefined ? make : randomPayloads(make, size),
    bounds: {
      timeoutMs: timeout,
      replies,
      idleMs: flags['until-idle'],
      untilEmpty: flags['until-empty'],
      ackIsReply: flags['ack-is-reply'],
      signal,
    },
    judge,
    expectsNothing: expect.length === 0,
  }
}

/** Whether the replies of a load run are shown, or only counted. */
export function showsReplies(flags: ViewFlags): boolean {
  return !flags.json && viewKindOf(flags) !== undefined
}

/** The status of a reply that has no payload and no headers, such as `404 No Messages`. */
export function statusOnly({message}: TimedReply): string | undefined {
  if (message.payload.length > 0) return undefined
  const status = message.header('Status')
  return status === undefined ? undefined : [status, message.header('Description') ?? []].flat().join(' ')
}

/** `3 replies · 12 ms`. */
export function repliesLine(answers: readonly TimedReply[]): string {
  const count = answers.length === 1 ? '1 reply' : `${formatCount(answers.length)} replies`
  const last = answers.at(-1)
  return last === undefined ? count : `${count} · ${formatDuration(last.ms)}`
}
