import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument, text} from '../../lib/cli/flags/kinds.ts'
import {streamArgs} from '../../lib/cli/flags/stream.ts'
import type {ViewFlags} from '../../lib/cli/flags/view.ts'
import {viewFlags} from '../../lib/cli/flags/view.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {chooseView, type Screen, type View, viewKindOf} from '../../lib/cli/render/view.ts'
import {BusError} from '../../lib/core/errors.ts'
import type {Message} from '../../lib/core/message.ts'
import {parseSeq} from '../../lib/core/position.ts'
import {checkPattern} from '../../lib/core/subject.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import type {Streams} from '../../lib/transport/streams-contract.ts'

export default class StreamGet extends BusCommand {
  static override summary = 'show one stored message'
  static override description =
    'A terminal shows the sequence, time, subject, headers and payload. A pipe gets the payload and a newline, or with --raw the payload alone. Other output flags override this.'
  static override examples = [
    {description: 'by sequence number', command: '<%= config.bin %> stream get ORDERS 1042'},
    {
      description: 'the last message of a subject, as a record',
      command: `<%= config.bin %> stream get ORDERS --last-for 'orders.*.paid' --json`,
    },
  ]
  static override args = {
    ...streamArgs,
    seq: argument({description: 'sequence number of the message'}),
  }
  static override flags = {
    'last-for': text('the last message of this subject or pattern', '<subject>'),
    ...viewFlags,
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(StreamGet)
    const {view, fetch} = await planGet({...flags, ...args}, {terminal: isTerminal(1), paint: await this.paint(1)})
    await using bus = await this.openBus()
    await view.show([await fetch(bus.streams)], this.output)
  }
}

export interface GetFlags extends ViewFlags {
  readonly stream: string
  readonly seq?: string | undefined
  readonly 'last-for'?: string | undefined
}

/** Chooses the view and the message. Fails with `usage`. */
export async function planGet(
  flags: GetFlags,
  screen: Screen,
): Promise<{readonly view: View; fetch(streams: Streams): Promise<Message>}> {
  const isRaw = viewKindOf(flags) === undefined && !screen.terminal
  const view = await chooseView(isRaw ? {...flags, raw: true, delimiter: '\\n'} : flags, {
    ...screen,
    stored: true,
    single: true,
  })
  const {stream, seq, 'last-for': lastFor} = flags
  if ((seq === undefined) === (lastFor === undefined)) {
    throw new BusError('usage', 'SEQ or --last-for is needed', {
      try: [`bus stream get ${shellWord(stream)} 1`, `bus stream get ${shellWord(stream)} --last-for '>'`],
    })
  }
  if (seq === undefined) {
    const pattern = checkPattern(lastFor ?? '')
    return {view, fetch: (streams) => streams.last(stream, pattern)}
  }
  const number = checkSeq(seq)
  return {view, fetch: (streams) => streams.get(stream, number)}
}

function checkSeq(text: string): number {
  const seq = parseSeq(text.replace(/^#/, ''))
  if (seq !== undefined) return seq
  throw new BusError('usage', `${JSON.stringify(text)} is not a sequence number`, {
    try: ['1042', "--last-for 'orders.>'"],
  })
}
