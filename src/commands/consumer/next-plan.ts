/** `consumer next`: from flags to how messages are settled and shown, and the result. */

import {answerFlags} from '../../lib/cli/flags/answer.ts'
import {consumerFlags} from '../../lib/cli/flags/consumer.ts'
import {type FlagValues, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {viewFlags} from '../../lib/cli/flags/view.ts'
import type {Output} from '../../lib/cli/io/output.ts'
import {formatCount, formatDuration} from '../../lib/cli/render/units.ts'
import {chooseView, type Screen} from '../../lib/cli/render/view.ts'
import {BusError, interruptedError} from '../../lib/core/errors.ts'
import type {Message} from '../../lib/core/message.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import type {NextOptions, Taken} from '../../lib/messaging/stored/next.ts'

export const nextFlags = {
  count: variant(pacingFlags.count, {description: 'number of messages (default: 1)'}),
  ack: variant(consumerFlags.ack, {exclusive: ['nak', 'term']}),
  nak: variant(consumerFlags.nak, {exclusive: ['term']}),
  delay: variant(answerFlags.delay, {
    description: 'with --nak: redeliver after this long, a duration or a range',
    dependsOn: ['nak'],
  }),
  term: toggle('terminate each message, so that it is never redelivered'),
  peek: variant(consumerFlags.peek, {exclusive: ['ack', 'nak', 'term']}),
  ...viewFlags,
  yes: consumerFlags['accept-loss'],
}

export type NextFlags = FlagValues<typeof nextFlags> & {readonly json?: boolean | undefined}

/** Undefined with --peek. */
type Settlement = NextOptions['settle'] | undefined

export interface NextPlan {
  readonly settle: Settlement
  readonly delayMs: (() => number) | undefined
  readonly show: (batch: readonly Message[]) => Promise<boolean>
}

/** Fails with `usage` for what does not compile. */
export async function planNext(
  flags: NextFlags,
  screen: Screen,
  output: Pick<Output, 'write' | 'end' | 'closed'>,
): Promise<NextPlan> {
  const {delay, count = 1} = flags
  const view = await chooseView(flags, {...screen, stored: true, single: count === 1, frees: true})
  return {
    settle: flags.peek ? undefined : flags.nak ? 'nak' : flags.term ? 'term' : 'ack',
    delayMs: delay && (() => delay.fromMs + Math.random() * (delay.toMs - delay.fromMs)),
    async show(batch) {
      await view.show(batch, output)
      await output.end()
      return !output.closed.aborted
    },
  }
}

/** `3 acknowledged · 1 redelivered · 12 pending` */
export function takenText({taken, redelivered, pending, isAcknowledged}: Taken, settle: Settlement): string {
  const verbs = {ack: isAcknowledged ? 'acknowledged' : 'taken', nak: 'returned', term: 'terminated'}
  const facts = [`${formatCount(taken)} ${settle === undefined ? 'shown' : verbs[settle]}`]
  if (redelivered > 0) facts.push(`${formatCount(redelivered)} redelivered`)
  if (pending !== undefined) facts.push(`${formatCount(pending)} pending`)
  return facts.join(' · ')
}

/** Fails with `timeout` if there were fewer messages than requested, with `interrupted` if it was stopped. */
export function checkTaken(
  {taken}: Taken,
  wanted: {
    readonly count: number
    readonly stream: string
    readonly consumer: string
    readonly timeoutMs: number
    readonly settle: Settlement
    readonly stopped: boolean
  },
): void {
  const {count, stream, consumer, timeoutMs, settle, stopped} = wanted
  if (taken >= count) return
  if (stopped) throw interruptedError()
  const who = `consumer ${consumer} of stream ${stream}`
  const had = taken === 0 ? 'nothing' : `only ${taken} of ${count} messages`
  const data = {received: taken, wanted: count}
  if (settle === undefined) {
    const found = taken === 0 ? 'no' : `only ${taken} of ${count}`
    throw new BusError('timeout', `${who} has ${found} unacknowledged messages`, {data})
  }
  throw new BusError('timeout', `${who} had ${had} within ${formatDuration(timeoutMs)}`, {
    data,
    try: [`bus consumer info ${shellWord(stream)} ${shellWord(consumer)}`, 'a longer --timeout'],
  })
}
