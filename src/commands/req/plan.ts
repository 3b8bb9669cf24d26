import type {ViewFlags} from '../../lib/cli/flags/view.ts'
import {checkOneBody, readBody} from '../../lib/cli/io/input.ts'
import {formatCount, formatDuration} from '../../lib/cli/render/units.ts'
import {viewKindOf} from '../../lib/cli/render/view.ts'
import type {Headers, Outgoing} from '../../lib/core/message.ts'
import {checkSubject} from '../../lib/core/subject.ts'
import type {Encoding} from '../../lib/core/text/encoding.ts'
import {compileExpectations, type Judge} from '../../lib/messaging/pubsub/expect.ts'
import type {Answer, Question} from '../../lib/messaging/pubsub/request.ts'
import {compileTemplate, type Maker, randomPayloads} from '../../lib/messaging/pubsub/template.ts'

export interface ReqFlags extends ViewFlags {
  readonly subject: string
  readonly body?: string | undefined
  readonly header?: Headers | undefined
  readonly file?: string | undefined
  readonly encoding?: Encoding | undefined
  readonly size?: number | undefined
  readonly template?: boolean | undefined
  readonly timeout: number
  readonly count?: number | undefined
  readonly concurrency?: number | undefined
  readonly replies?: number | undefined
  readonly 'until-idle'?: number | undefined
  readonly 'until-empty'?: boolean | undefined
  readonly expect?: readonly string[] | undefined
}

export interface ReqPlan {
  /** Makes the next request. */
  readonly make: Maker
  readonly bounds: Omit<Question, 'message'>
  readonly judge: Judge
  /** Nothing but a service error can be wrong with a reply. */
  readonly expectsNothing: boolean
}

/** Checks the flags, compiles the expectations and reads the body, all before a bus is opened. Fails with `usage`. */
export async function planRequests(flags: ReqFlags, signal: AbortSignal): Promise<ReqPlan> {
  checkOneBody(flags)
  if (!flags.template) checkSubject(flags.subject)
  const {expect = [], timeout, replies, size} = flags
  const judge = await compileExpectations(expect, flags.subject)
  const data = size === undefined ? await readBody(flags, signal) : undefined
  const pattern: Outgoing = {subject: flags.subject, data, headers: flags.header}
  const make = flags.template ? compileTemplate(pattern) : () => pattern
  return {
    make: size === undefined ? make : randomPayloads(make, size),
    bounds: {timeoutMs: timeout, replies, idleMs: flags['until-idle'], untilEmpty: flags['until-empty'], signal},
    judge,
    expectsNothing: expect.length === 0,
  }
}

/** Whether the replies of a load run are shown, or only counted. */
export function showsReplies(flags: ViewFlags): boolean {
  return !flags.json && viewKindOf(flags) !== undefined
}

/** `3 replies · 12 ms`. */
export function repliesLine(answers: readonly Answer[]): string {
  const count = answers.length === 1 ? '1 reply' : `${formatCount(answers.length)} replies`
  const last = answers.at(-1)
  return last === undefined ? count : `${count} · ${formatDuration(last.ms)}`
}
