/** Which stored message is meant, and how it is shown. */

import {chooseView, type Screen, type View, type ViewFlags} from '../../lib/cli/render/view.ts'
import {BusError} from '../../lib/core/errors.ts'
import type {Message} from '../../lib/core/message.ts'
import {checkPattern} from '../../lib/core/subject.ts'
import type {Streams} from '../../lib/transport/streams-contract.ts'

export interface GetFlags extends ViewFlags {
  readonly stream: string
  readonly seq?: string | undefined
  readonly 'last-for'?: string | undefined
}

/** Fails with `usage` for flags that do not go together. */
export async function planGet(
  flags: GetFlags,
  screen: Screen,
): Promise<{readonly view: View; fetch(streams: Streams): Promise<Message>}> {
  const view = await chooseView(asksForView(flags) || screen.terminal ? flags : {...flags, raw: true}, {
    ...screen,
    stored: true,
  })
  const {stream, seq, 'last-for': lastFor} = flags
  if ((seq === undefined) === (lastFor === undefined)) {
    throw new BusError('usage', 'which message? One of SEQ and --last-for is needed', {
      try: [`bus stream get ${stream} 1`, `bus stream get ${stream} --last-for '>'`],
    })
  }
  if (seq === undefined) {
    const pattern = checkPattern(lastFor ?? '')
    return {view, fetch: (streams) => streams.last(stream, pattern)}
  }
  const place = checkSeq(seq)
  return {view, fetch: (streams) => streams.get(stream, place)}
}

function asksForView(flags: ViewFlags): boolean {
  const {format, select, delimiter} = flags
  const toggles = flags.raw || flags.json || flags['headers-only'] || flags['subjects-only']
  return Boolean(toggles) || [format, select, delimiter].some((text) => text !== undefined)
}

function checkSeq(text: string): number {
  const seq = /^#?(\d{1,15})$/.exec(text)?.[1]
  if (seq !== undefined && Number(seq) > 0) return Number(seq)
  throw new BusError('usage', `${JSON.stringify(text)} is not a sequence`, {try: ['1042', "--last-for 'orders.>'"]})
}
