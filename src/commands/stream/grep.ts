import {BusCommand} from '../../lib/cli/base/command.ts'
import {limitHeap} from '../../lib/cli/base/heap-limit.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {streamArgs} from '../../lib/cli/flags/stream.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {startProgress} from '../../lib/cli/render/progress.ts'
import {formatCount, formatDuration} from '../../lib/cli/render/units.ts'
import {chooseView, viewKindOf} from '../../lib/cli/render/view.ts'
import {BusError} from '../../lib/core/errors.ts'
import type {Message} from '../../lib/core/message.ts'
import {counted} from '../../lib/core/text/count.ts'
import {blocksOf, MatchWindow} from '../../lib/messaging/stored/search.ts'
import {type GrepFlags, grepFlags, matcherOf, neighboursOf, searchRange} from './grep-plan.ts'

type Flags = GrepFlags & {readonly quiet: boolean}

interface Counts {
  matched: number
  searched: number
}

export default class StreamGrep extends BusCommand<unknown> {
  static override summary = 'search the messages of a stream, the newest first'
  static override description =
    'The pattern is a regular expression in the syntax of RE2, and is searched for in the payload, the subject, and the headers in the form "Name: value"; --where adds a condition. The neighbours of -A, -B and -C are those among the messages that --filter leaves; -- is between groups that do not follow each other. The exit code is 5 if nothing matches.'
  static override examples = [
    {description: 'the newest message about a refund', command: '<%= config.bin %> stream grep ORDERS refund -n 1'},
    {
      description: 'with the messages before and after each match',
      command: `<%= config.bin %> stream grep ORDERS 'paid|refund' -C 1`,
    },
    {
      description: 'by an expression, of some subjects',
      command: `<%= config.bin %> stream grep ORDERS --where 'json.id > 1' --filter orders.new`,
    },
    {
      description: 'how many in the last hour',
      command: '<%= config.bin %> stream grep ORDERS refund --from @-1h --total',
    },
  ]
  static override args = {...streamArgs, pattern: argument({description: 'regular expression'})}
  static override flags = grepFlags

  async run(): Promise<unknown> {
    const {args, flags} = await this.parse(StreamGrep)
    const {stream, pattern} = args
    const matcher = await matcherOf(pattern, flags, (line) => this.say(line))
    const show = await this.#view(flags)
    await using bus = await this.openBus({stream: true})
    const info = await bus.streams.info(stream)
    const range = await searchRange(bus.streams, info, flags)
    const found = {matched: 0, searched: 0}
    const began = performance.now()
    limitHeap()
    if (range !== undefined) {
      const total = flags.filter === undefined ? Math.min(info.state.messages, range.to - range.from + 1) : undefined
      using bar = flags.quiet ? undefined : startProgress({unit: 'messages', total, shows: !flags.total})
      const {filter: filters, 'oldest-first': forwards = false} = flags
      const all = blocksOf(bus.streams, info, {...range, filters, forwards, signal: this.stop})
      await this.#search(all, found, {
        ...{flags, matcher, show},
        onProgress: () => bar?.update(found.searched),
      })
    }
    return this.#sumUp(stream, found, {...flags, ms: performance.now() - began})
  }

  async #search(
    all: AsyncIterable<readonly Message[]>,
    found: Counts,
    {
      flags,
      matcher,
      show,
      onProgress,
    }: {
      readonly flags: Flags
      readonly matcher: Awaited<ReturnType<typeof matcherOf>>
      readonly show: (message: Message, isApart: boolean) => Promise<void> | void
      readonly onProgress: () => void
    },
  ): Promise<void> {
    const window = new MatchWindow(neighboursOf(flags))
    const most = flags.count ?? Number.POSITIVE_INFINITY
    for await (const block of all) {
      const matches = await matcher(block)
      const isEmpty = matches.size === 0 && !window.isOpen && !window.keepsBefore
      if (isEmpty) found.searched += block.length
      for (const message of isEmpty ? [] : block) {
        const isMatch = window.matches < most && matches.has(message)
        for (const {message: shown, isApart} of window.next(message, isMatch))
          if (!flags.total) await show(shown, isApart)
        found.searched++
        found.matched = window.matches
        if (window.matches >= most && !window.isOpen) return
      }
      onProgress()
      if (!(await this.output.written())) return
    }
  }

  async #view(flags: Flags): Promise<(message: Message, isApart: boolean) => Promise<void>> {
    const view = await chooseView(flags, {
      ...{terminal: isTerminal(1), paint: await this.paint(1), stored: true},
      single: flags.count === 1 && neighboursOf(flags).before + neighboursOf(flags).after === 0,
      onFailure: (line) => this.say(line),
    })
    const separates = viewKindOf(flags) === undefined && neighboursOf(flags).before + neighboursOf(flags).after > 0
    return async (message, isApart) => {
      if (isApart && separates) this.output.write('--\n')
      await view.show([message], this.output)
    }
  }

  #sumUp(
    stream: string,
    {matched, searched}: Counts,
    {total, json, ms}: Flags & {readonly ms: number},
  ): object | undefined {
    const data = {stream, matched, searched}
    if (total && !json) this.output.write(`${matched}\n`)
    if (matched === 0)
      throw new BusError('notFound', `no match among ${counted(searched, 'message')} of ${stream}`, {data})
    if (!total)
      this.say(
        `${matched === 1 ? '1 match' : `${formatCount(matched)} matches`} among ${counted(searched, 'message')} · ${formatDuration(ms)}`,
      )
    return total ? data : undefined
  }
}
