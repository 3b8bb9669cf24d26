import {BusCommand} from '../../lib/cli/base/command.ts'
import {limitHeap} from '../../lib/cli/base/heap-limit.ts'
import {argument, text, toggle} from '../../lib/cli/flags/kinds.ts'
import {startProgress} from '../../lib/cli/render/progress.ts'
import {counted, formatCount} from '../../lib/cli/render/units.ts'
import {BusError, interruptedError} from '../../lib/core/errors.ts'
import {compareMessages, type Difference} from '../../lib/messaging/backup/difference.ts'
import {type ComparedSide, copyMissing, fileSide, streamSide} from '../../lib/messaging/backup/sides.ts'

/** What `--json` prints; also the `data` of the failure if they differ. */
export interface StreamDiffResult extends Omit<Difference, 'subjects'> {
  readonly names: readonly [left: string, right: string]
  readonly subjects: Readonly<Record<string, {readonly left: number; readonly right: number; readonly changed: number}>>
  /** With `--fix`. */
  readonly copied?: number | undefined
}

export default class StreamDiff extends BusCommand<StreamDiffResult> {
  static override summary = 'compare the messages of two streams, or of a stream and a backup'
  static override description =
    'Each side is a stream, or a file of stream backup if it has a dot or a slash. Messages are the same if they have the same message id, or without one, the same subject and payload; headers that a copy or a restore adds do not count, and neither do sequences and times. If the sides differ, the exit code is 9. With --fix, messages that the second side does not have are copied to its end.'
  static override examples = [
    {
      description: 'is the backup up to date?',
      command: '<%= config.bin %> stream diff orders.zst ORDERS',
    },
    {
      description: 'a stream and its copy on another bus',
      command: '<%= config.bin %> stream diff ORDERS --to-bus copy.db --fix',
    },
  ]
  static override args = {
    left: argument({description: 'a stream, or a file', required: true}),
    right: argument({description: 'the other one; not needed for the same stream of another bus'}),
  }
  static override flags = {
    'to-bus': text('the bus of the second stream: a URL or a context', '<bus>'),
    fix: toggle('copy what the second one does not have'),
    ordered: toggle('messages in another order are a difference too'),
  }

  async run(): Promise<StreamDiffResult> {
    const {args, flags} = await this.parse(StreamDiff)
    const {left, right = isFile(left) ? undefined : left} = args
    if (right === undefined || (right === left && flags['to-bus'] === undefined))
      throw new BusError('usage', 'there is nothing to compare it with', {
        try: ['a second stream or file', '--to-bus BUS, for the same stream of another bus'],
      })
    const needsFirst = !isFile(left) || (flags['to-bus'] === undefined && !isFile(right))
    const writes = flags.fix && flags['to-bus'] === undefined
    await using bus = needsFirst ? await this.openBus({stream: true, writes}) : undefined
    await using target =
      flags['to-bus'] === undefined || isFile(right)
        ? undefined
        : await this.openBus({stream: true, bus: flags['to-bus'], writes: flags.fix})
    const side = (name: string, other: string, on: typeof bus): Promise<ComparedSide> =>
      on === undefined || isFile(name)
        ? fileSide(name, isFile(other) ? undefined : other, this.stop)
        : streamSide(on, name, this.stop)
    const sides = [await side(left, right, bus), await side(right, left, target ?? bus)] as const
    return await this.#compare(sides, flags)
  }

  async #compare(
    [left, right]: readonly [ComparedSide, ComparedSide],
    {fix, ordered, quiet}: {readonly fix: boolean; readonly ordered: boolean; readonly quiet: boolean},
  ): Promise<StreamDiffResult> {
    limitHeap()
    const missing = new Set<number>()
    using bar = quiet ? undefined : startProgress({unit: 'messages'})
    const found = await compared(left, right, {
      signal: this.stop,
      onProgress: (messages) => bar?.update(messages),
      onMissing: fix ? (seq) => missing.add(seq) : undefined,
    })
    bar?.[Symbol.dispose]()
    if (this.stop.aborted) throw interruptedError()
    const copied = fix && missing.size > 0 ? await copyMissing(left, right, missing, this.stop) : undefined
    if (!this.jsonEnabled()) await this.#show(found, left, right)
    const result = {
      ...found,
      names: [left.name, right.name] as const,
      subjects: Object.fromEntries(found.subjects),
      copied,
    }
    if (copied !== undefined) this.say(`copied ${counted(copied, 'message')} to ${right.name}`)
    const open = found.left - (copied ?? 0) + found.right + found.changed + (ordered ? found.moved : 0)
    if (open > 0)
      throw new BusError('expectation', `${left.name} and ${right.name} differ: ${differenceText(found)}`, {
        data: result,
      })
    if (!this.jsonEnabled() && copied === undefined)
      this.say(`${left.name} and ${right.name} have the same ${counted(found.same, 'message')}${movedText(found)}`)
    return result
  }

  async #show({subjects, first}: Difference, left: ComparedSide, right: ComparedSide): Promise<void> {
    if (first.length === 0) return
    const columns = [
      {head: 'subject'},
      {head: 'only in the first', align: 'right'},
      {head: 'only in the second', align: 'right'},
      {head: 'changed', align: 'right'},
    ] as const
    const rows = [...subjects].map(([subject, counts]) => [
      subject,
      ...[counts.left, counts.right, counts.changed].map(formatCount),
    ])
    await this.printTable(columns, rows)
    for (const {subject, left: one, right: other} of first) {
      if (one !== undefined && other !== undefined) this.say(`changed: #${one} and #${other} on ${subject}`)
      else this.say(`only in ${one === undefined ? right.name : left.name}: #${one ?? other} on ${subject}`)
    }
  }
}

async function compared(
  left: ComparedSide,
  right: ComparedSide,
  options: Parameters<typeof compareMessages>[2],
): Promise<Difference> {
  await using one = await left.open()
  await using other = await right.open()
  return await compareMessages(one, other, options)
}

/** The names of streams have neither. */
function isFile(name: string): boolean {
  return /[./\\]/.test(name)
}

function differenceText(found: Difference): string {
  const {left, right, changed} = found
  const texts = [
    ...(left > 0 ? [`${counted(left, 'message')} only in the first`] : []),
    ...(right > 0 ? [`${formatCount(right)} only in the second`] : []),
    ...(changed > 0 ? [`${formatCount(changed)} changed`] : []),
  ]
  return `${texts.join(', ') || 'only their order'}${movedText(found)}`
}

function movedText({moved}: Difference): string {
  return moved === 0 ? '' : `, ${formatCount(moved)} in another order`
}
