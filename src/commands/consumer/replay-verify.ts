/** `consumer replay --verify`: compares the copies of a run with their originals. */
import {startProgress} from '../../lib/cli/render/progress.ts'
import {BusError} from '../../lib/core/errors.ts'
import {counted, formatCount} from '../../lib/core/text/count.ts'
import type {CopiedMessages, VerifiedCopies} from '../../lib/messaging/replay/verify.ts'

/** Fails with `expectation` if a copy is missing or differs, and names the first ones. */
export async function verifyCopies(
  copied: CopiedMessages,
  {
    source,
    target,
    stop,
    quiet,
    say,
  }: {
    readonly source: Parameters<CopiedMessages['compare']>[0]
    readonly target: Parameters<CopiedMessages['compare']>[1]
    readonly stop: AbortSignal
    readonly quiet: boolean
    readonly say: (line: string) => void
  },
): Promise<VerifiedCopies> {
  const bar = quiet ? undefined : startProgress({unit: 'messages', total: copied.count})
  const verified = await copied
    .compare(source, target, {signal: stop, onProgress: (messages) => bar?.update(messages)})
    .finally(() => bar?.[Symbol.dispose]())
  const {same, changed, missing, gone, first} = verified
  for (const {subject, left, right} of first) {
    const on = subject === undefined ? '' : ` on ${subject}`
    say(right === undefined ? `missing: #${left}${on}` : `changed: #${left} and #${right}${on}`)
  }
  if (missing + changed > 0) {
    const all = `${counted(copied.count, 'message')} copied to ${target.stream} of ${target.bus.url}`
    throw new BusError('expectation', `${formatCount(missing)} missing and ${formatCount(changed)} changed of ${all}`, {
      data: {verified},
    })
  }
  if (gone > 0) say(`not compared: ${counted(gone, 'message')}, copied but no longer in ${source.stream}`)
  say(`verified: ${counted(same, 'message')}`)
  return verified
}
