import {BusCommand} from '../../lib/cli/base/command.ts'
import {limitHeap} from '../../lib/cli/base/heap-limit.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {openRecordFile} from '../../lib/cli/io/record-file.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {checkEnough} from '../../lib/cli/render/summary.ts'
import {checkPattern} from '../../lib/core/subject.ts'
import {watch} from '../../lib/messaging/pubsub/watch.ts'
import {openReading} from '../../lib/messaging/stored/range-reader.ts'
import type {Notice, Transport} from '../../lib/transport/contract.ts'
import {
  boundsOf,
  durableLine,
  listeningLine,
  planWatch,
  readingLine,
  renamesLine,
  type SubFlags,
  showOn,
  subFlags,
  sumUp,
} from './plan.ts'

export default class Sub extends BusCommand {
  static override summary = 'show messages as they arrive'
  static override description = [
    'Each message is shown once, even if it matches several of the subjects. The command ends with --count, --for, --idle, Ctrl-C or a closed pipe. The exit code is 6 if fewer than --count messages arrive within --for or --idle.',
    'With --from, it shows stored messages of the subjects, then continues with new ones unless --to or --end is given.',
    'With --durable, it resumes where the durable consumer with that name left off, and acknowledges each message once it is written. --create creates the consumer if it does not exist, starting with the first message. The consumer is never removed.',
    'A format can contain {time} {unix} {subject} {reply} {seq} {deliveries} {n} {bytes} {text} {base64} {json} {json.user.id} {headers} {headers.Name}. An expression can use subject, reply, seq, deliveries, time, headers, bytes, text and json.',
  ].join('\n\n')
  static override examples = [
    {description: 'everything on the bus', command: `<%= config.bin %> sub '>'`},
    {description: 'ten orders, for at most a minute', command: `<%= config.bin %> sub 'orders.*' -n 10 --for 1m`},
    {description: 'only large orders', command: `<%= config.bin %> sub 'orders.>' --where 'json.total > 100'`},
    {
      description: 'one field per line',
      command: `<%= config.bin %> sub orders.created -f '{json.user.id} {headers.Trace}'`,
    },
    {description: 'requests with their replies', command: '<%= config.bin %> sub greet --pair'},
    {
      description: 'a recording for bus pub --records',
      command: `<%= config.bin %> sub 'orders.>' --json > recording.ndjson`,
    },
    {
      description: 'the stored messages of the last hour, then new ones',
      command: `<%= config.bin %> sub 'orders.>' --from @-1h`,
    },
    {
      description: 'every message from the first on, resuming after a restart',
      command: `<%= config.bin %> sub 'orders.>' --durable billing --create`,
    },
    {
      description: 'a range of stored messages',
      command: `<%= config.bin %> sub 'orders.>' --from @-1h --to @-30m --json`,
    },
  ]
  static override args = {
    subject: argument({
      description: 'subject, or pattern with * and >',
      required: true,
      multiple: true,
    }),
  }
  static override flags = subFlags

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Sub)
    const subjects = args.subject.map(checkPattern)
    const say = (line: string) => this.say(line)
    const showing = await planWatch(flags, {terminal: isTerminal(1), paint: await this.paint(1), onFailure: say})
    using recording = flags.record === undefined ? undefined : openRecordFile(flags.record)
    let notices = 0
    const notify = (notice: Notice) => {
      notices++
      this.tellNotice(notice)
    }
    await using bus = await this.openBus({
      stream: true,
      writes: flags.queue !== undefined || flags.durable !== undefined,
      notify,
    })
    const {from, stream, durable: name, to = flags.end ? 'end' : undefined} = flags
    const reading = from && (await openReading(bus.streams, subjects, {from, to, stream}))
    const durable = name === undefined ? undefined : await this.#openDurable(bus, subjects, {...flags, durable: name})
    const patterns = [...subjects, ...showing.alsoPatterns]
    const subscription = durable ?? reading?.subscription ?? (await bus.subscribe(patterns, {queue: flags.queue}))
    if (durable) say(durableLine(subjects, durable.info))
    else if (reading?.renames) say(renamesLine(reading))
    if (!durable) say(reading ? readingLine(subjects, reading, from) : listeningLine(subjects, flags.queue))
    limitHeap()
    const stage = {output: this.output, recording}
    const {keep, show} = showOn(stage, showing)
    const watched = await watch(subscription, {
      ...boundsOf(flags),
      keep,
      show: durable?.acknowledging(show, () => this.output.written()) ?? show,
      signal: this.stop,
      gone: this.output.closed,
      onEnd: (ended) =>
        say(sumUp(ended, stage, showing, {dropped: subscription.dropped, redelivered: durable?.redelivered, notices})),
    })
    checkEnough(watched, flags)
  }

  /** Loaded only for --durable. */
  async #openDurable(bus: Transport, subjects: readonly string[], flags: SubFlags & {readonly durable: string}) {
    const [{openDurable}, {stallLine}, {formatMoment}] = await Promise.all([
      import('../../lib/messaging/stored/durable.ts'),
      import('../../lib/messaging/stored/stall.ts'),
      import('../../lib/cli/render/units.ts'),
    ])
    const {durable, create, stream, count, yes} = flags
    return openDurable(bus.streams, subjects, {
      durable,
      create,
      stream,
      sparing: count !== undefined,
      most: yes ? undefined : count,
      onStall: (stall, info) => this.say(stallLine(stall, info, formatMoment)),
    })
  }
}
