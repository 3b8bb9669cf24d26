import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {staySmall} from '../../lib/cli/base/heap-limit.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {openTape} from '../../lib/cli/io/record-file.ts'
import {startProgress} from '../../lib/cli/render/progress.ts'
import {BusError} from '../../lib/core/errors.ts'
import {compileFilter} from '../../lib/messaging/pubsub/filter.ts'
import {type Counts, type Replayed, replay} from '../../lib/messaging/replay/replay.ts'
import {durableSource, rangeSource, type Source} from '../../lib/messaging/replay/source.ts'
import type {Sink} from '../../lib/messaging/sinks/sink.ts'
import {unacknowledged} from '../../lib/messaging/stored/places.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import type {ConsumerInfo} from '../../lib/transport/streams-contract.ts'
import * as replaying from './replay-plan.ts'
import {chooseSink, type SinkStage} from './replay-sink.ts'

/** What `--json` prints at the end, where stdout is not for the messages. */
type ReplayResult = Omit<Replayed, 'complete'> & {
  readonly stream: string
  readonly consumer?: string | undefined
  readonly redelivered?: number | undefined
  readonly floor?: {readonly before: number; readonly after: number} | undefined
}

type Flags = replaying.ReplayFlags & {readonly json?: boolean; readonly quiet: boolean; readonly timeout: number}

export default class ConsumerReplay extends BusCommand<unknown> {
  static override summary = 'replay a durable consumer, or a range of a stream, into a program, a webhook or a bus'
  static override description = [
    'With CONSUMER it goes on after what was acknowledged, and acknowledges each message only after it was handled; the consumer is never removed or changed. Without, it reads a range and disturbs nobody.',
    'Messages go to stdout, or to one of --exec, --exec-lines, --webhook, --republish, --into, --step. One that cannot be handled is tried again (--max-deliver times, with growing pauses); then it goes to the --dead file, or the replay stops before it. Exit code 0 only when everything was handled.',
    'A program of --exec-lines stays, reads records and writes a line for each: ack, nak or term. A webhook gets the payload with the headers Bus-Subject, Bus-Sequence, Bus-Time, Bus-Stream, Bus-Consumer, Bus-Deliveries and Bus-Headers (JSON), and answers 2xx.',
    'A copy made by --into has the headers Bus-Stream, Bus-Sequence and Bus-Time: by the last of them an interrupted copy goes on where it stopped.',
  ].join('\n\n')
  static override examples = [
    {description: 'what is pending, untouched', command: '<%= config.bin %> consumer replay ORDERS billing --peek'},
    {
      description: 'go on where it stopped',
      command: '<%= config.bin %> consumer replay ORDERS billing --exec -- ./bill.sh',
    },
    {
      description: 'the last quarter of an hour again, ten times as fast',
      command: `<%= config.bin %> consumer replay ORDERS --from @-15m --speed 10 --webhook http://127.0.0.1:8080/orders`,
    },
    {description: 'rewind, then resume', command: '<%= config.bin %> consumer replay ORDERS billing --reset @-1h'},
    {
      description: 'carry a stream to a server',
      command: '<%= config.bin %> consumer replay ORDERS --into nats://127.0.0.1:4222 --create',
    },
  ]
  static override args = {
    stream: string({description: 'the stream', required: true}),
    consumer: string({description: 'a durable consumer of it'}),
  }
  static override flags = {
    from: flags.from(),
    to: flags.to(),
    range: flags.range(),
    filter: flags.filter(),
    'last-per-subject': flags.lastPerSubject(),
    match: flags.match(),
    where: flags.where(),
    follow: flags.follow(),
    count: flags.count(),
    peek: flags.peek(),
    reset: flags.reset(),
    create: flags.create(),
    speed: flags.speed(),
    rate: flags.rate(),
    'max-gap': flags.maxGap(),
    raw: flags.raw(),
    delimiter: flags.delimiter(),
    format: flags.format(),
    'headers-only': flags.headersOnly(),
    'subjects-only': flags.subjectsOnly(),
    select: flags.select(),
    exec: flags.exec({description: 'run a program for each message; the program stands after --'}),
    'exec-lines': flags.execLines(),
    'exec-timeout': flags.execTimeout(),
    webhook: flags.webhook(),
    republish: flags.republish(),
    into: flags.into(),
    step: flags.step(),
    'dry-run': flags.dryRun(),
    concurrency: flags.concurrency(),
    'on-error': flags.onError(),
    'max-deliver': flags.maxDeliver({description: 'try a message so many times (default: 5)'}),
    dead: flags.dead(),
  }

  /** Aborted by a person who decides by hand. */
  readonly #quit = new AbortController()

  async run(): Promise<unknown> {
    const parsed = await this.parse(ConsumerReplay)
    const flags: Flags = {...parsed.flags, ...parsed.args}
    replaying.checkReplayFlags(flags, this.program, process.env['PATH'] ?? '')
    await using bus = await this.openBus({stream: true})
    const consumer = await replaying.openConsumer(bus.streams, flags)
    const range = consumer === undefined ? await replaying.rangeOf(bus.streams, flags) : unacknowledged(consumer)
    if (flags['dry-run']) return await this.#survey(await rangeSource(bus, flags.stream, range), flags)
    await using target = flags.into === undefined ? undefined : await this.openBus({stream: true, bus: flags.into})
    const {sink, shows} = await chooseSink(flags, this.#stage(bus, target))
    await using _sink = sink
    const isDurable = consumer !== undefined && !flags.peek
    const source = isDurable
      ? await durableSource(bus, consumer, {
          prefetch: sink.batch === 1 ? 0 : 4 * sink.batch,
          follow: flags.follow,
          count: flags.count,
          signal: undefined,
          onWaiting: ({ackPending}) =>
            this.say(`waiting for ${ackPending} in other hands: they come back when their time is up`),
        })
      : await rangeSource(bus, flags.stream, range)
    staySmall()
    const done = await this.#replay(source, sink, flags, consumer)
    const after = isDurable ? (await bus.streams.consumers.info(flags.stream, consumer.config.name)).ackFloor : 0
    return this.#sumUp(
      done,
      flags,
      isDurable ? {redelivered: source.redelivered, before: consumer.ackFloor, after} : undefined,
      shows,
    )
  }

  async #replay(source: Source, sink: Sink, flags: Flags, consumer: ConsumerInfo | undefined): Promise<Replayed> {
    await using _source = source
    using tape = flags.dead === undefined ? undefined : openTape(flags.dead)
    const limit = source.total ?? flags.count
    using bar =
      flags.quiet || flags.step
        ? undefined
        : startProgress('messages', limit === Number.POSITIVE_INFINITY ? undefined : limit)
    const limited = consumer === undefined || flags.peek ? withCount(source, flags.count) : source
    return await replay(limited, sink, {
      policy: replaying.policyOf(flags, consumer),
      pace: replaying.paceOf(flags),
      keep: await compileFilter({match: flags.match, where: flags.where, onFailure: (line) => this.say(line)}),
      stop: AbortSignal.any([this.stop, this.#quit.signal]),
      onGivenUp: tape && ((message) => tape.record([message])),
      onProgress: ({read}: Counts) => bar?.update(read),
    })
  }

  #stage(bus: Transport, target: Transport | undefined): SinkStage {
    return {
      bus,
      target,
      argv: this.program,
      output: this.output,
      paint: (fd) => this.paint(fd),
      say: (line) => this.say(line),
      stop: this.stop,
      quit: () => this.#quit.abort(),
    }
  }

  async #survey(source: Source, flags: Flags): Promise<unknown> {
    await using _source = source
    const {survey} = await import('../../lib/messaging/replay/survey.ts')
    const {surveyJson, surveyText} = await import('./replay-survey.ts')
    const found = await survey(source, this.stop)
    if (!flags.json) this.print(await surveyText(found, await this.paint(1)))
    return surveyJson(found, flags)
  }

  #sumUp(
    done: Replayed,
    flags: Flags,
    durable: Parameters<typeof replaying.replayLine>[1],
    shows: boolean,
  ): ReplayResult | undefined {
    const {complete, ...counts} = done
    for (const {subject, seq, reason, fate} of done.unhandled) this.say(`${fate}: ${seq ?? ''} ${subject}: ${reason}`)
    this.say(replaying.replayLine(done, durable))
    const {stream, consumer} = flags
    const result = {
      stream,
      consumer,
      ...counts,
      ...(durable && {redelivered: durable.redelivered, floor: {before: durable.before, after: durable.after}}),
    }
    const missing = done.skipped + done.givenUp
    if (missing > 0) {
      throw new BusError('remote', `${missing} of ${done.read} messages were not handled`, {
        data: result,
        try: ['see the list above'],
      })
    }
    if (!complete && !flags.follow && !shows) {
      throw new BusError('interrupted', `interrupted after ${done.handled} messages were handled`, {data: result})
    }
    return shows ? undefined : result
  }
}

/** So many messages of a range, at most. */
function withCount(source: Source, count: number | undefined): Source {
  if (count === undefined) return source
  let left = count
  return {
    total: count,
    redelivered: 0,
    async take(max) {
      if (left === 0) return []
      const taken = await source.take(Math.min(max, left))
      left -= taken.length
      return taken
    },
    end: () => source.end(),
    done: (messages) => source.done(messages),
    term: (message, reason) => source.term(message, reason),
    leave: (message) => source.leave(message),
    flush: () => source.flush(),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  }
}
