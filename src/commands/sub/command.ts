import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {staySmall} from '../../lib/cli/base/heap-limit.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {openTape} from '../../lib/cli/io/record-file.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {checkPattern} from '../../lib/core/subject.ts'
import {watch} from '../../lib/messaging/pubsub/watch.ts'
import {openDurable} from '../../lib/messaging/stored/durable.ts'
import {openReading} from '../../lib/messaging/stored/range-reader.ts'
import type {Notice} from '../../lib/transport/contract.ts'
import {boundsOf, checkEnough, durableLine, listeningLine, planWatch, readingLine, showOn, sumUp} from './plan.ts'

export default class Sub extends BusCommand {
  static override summary = 'show messages as they come'
  static override description = [
    'Each message is shown once, whatever number of the subjects it matches. It ends with --count, --for, --idle, Ctrl-C, or when the reader of a pipe has gone; with --count and a bound, fewer messages are exit code 6.',
    'With --from it shows what a stream has kept of the subjects, and goes on with what comes, unless --to or --end.',
    'With --durable it goes on where the durable consumer of that name stopped, whoever took from it, and acknowledges each message once it is written. --create makes the consumer: it begins with the first message. It is never removed.',
    'A format has {time} {unix} {subject} {reply} {seq} {n} {bytes} {text} {base64} {json} {json.user.id} {headers} {headers.Name}. An expression sees subject, reply, seq, time, headers, bytes, text and json.',
  ].join('\n\n')
  static override examples = [
    {description: 'everything on the bus', command: `<%= config.bin %> sub '>'`},
    {description: 'ten orders, a minute at most', command: `<%= config.bin %> sub 'orders.*' -n 10 --for 1m`},
    {description: 'the large ones', command: `<%= config.bin %> sub 'orders.>' --where 'json.total > 100'`},
    {
      description: 'one field a line',
      command: `<%= config.bin %> sub orders.created -f '{json.user.id} {headers.Trace}\\n'`,
    },
    {description: 'requests with their replies', command: '<%= config.bin %> sub greet --pair'},
    {description: 'a tape for bus pub --records', command: `<%= config.bin %> sub 'orders.>' --json > tape.ndjson`},
    {
      description: 'what a stream has kept for an hour, and what comes',
      command: `<%= config.bin %> sub 'orders.>' --from @-1h`,
    },
    {
      description: 'each message once, from the first on, also after it was stopped',
      command: `<%= config.bin %> sub 'orders.>' --durable billing --create`,
    },
    {description: 'a range of it', command: `<%= config.bin %> sub 'orders.>' --from @-1h --to @-30m --json`},
  ]
  static override args = {
    subject: string({
      description: 'what to listen to: a subject, or a pattern with * and >',
      required: true,
      multiple: true,
    }),
  }
  static override flags = {
    queue: flags.queue(),
    count: flags.count(),
    for: flags.for(),
    idle: flags.idle(),
    raw: flags.raw(),
    delimiter: flags.delimiter(),
    format: flags.format(),
    'headers-only': flags.headersOnly(),
    'subjects-only': flags.subjectsOnly(),
    match: flags.match(),
    where: flags.where(),
    select: flags.select(),
    ignore: flags.ignore(),
    pair: flags.pair(),
    record: flags.record(),
    sample: flags.sample(),
    from: flags.from(),
    to: flags.to(),
    end: flags.end(),
    stream: flags.keptBy(),
    durable: flags.durable(),
    create: flags.create({description: 'make the durable consumer if it is missing'}),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Sub)
    const subjects = args.subject.map(checkPattern)
    const say = (line: string) => this.say(line)
    const showing = await planWatch(flags, {terminal: isTerminal(1), paint: await this.paint(1), onFailure: say})
    using tape = flags.record === undefined ? undefined : openTape(flags.record)
    let notices = 0
    const notify = ({text}: Notice) => {
      notices++
      say(text)
    }
    await using bus = await this.openBus({stream: true, notify})
    const {from, stream, durable: name, create, count, to = flags.end ? 'end' : undefined} = flags
    const reading = from && (await openReading(bus.streams, subjects, {from, to, stream}))
    const wishes = {durable: name ?? '', create, stream, sparing: count !== undefined}
    const durable = name === undefined ? undefined : await openDurable(bus.streams, subjects, wishes)
    const patterns = [...subjects, ...showing.alsoPatterns]
    const subscription = durable ?? reading?.subscription ?? (await bus.subscribe(patterns, {queue: flags.queue}))
    if (durable) say(durableLine(subjects, durable.info))
    else say(reading ? readingLine(subjects, reading, from) : listeningLine(subjects, flags.queue))
    staySmall()
    const stage = {output: this.output, tape}
    const {keep, show} = showOn(stage, showing)
    const watched = await watch(subscription, {
      ...boundsOf(flags),
      keep,
      show: durable?.acknowledging(show, () => this.output.written()) ?? show,
      stop: this.stop,
      gone: this.output.closed,
      onEnd: (ended) =>
        say(sumUp(ended, stage, showing, {dropped: subscription.dropped, redelivered: durable?.redelivered, notices})),
    })
    checkEnough(watched, flags)
  }
}
