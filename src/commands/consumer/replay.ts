import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {limitHeap} from '../../lib/cli/base/heap-limit.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {streamArgs} from '../../lib/cli/flags/stream.ts'
import {openRecordFile} from '../../lib/cli/io/record-file.ts'
import {startProgress} from '../../lib/cli/render/progress.ts'
import {formatMoment} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {counted} from '../../lib/core/text/count.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {durationText} from '../../lib/core/time/duration.ts'
import {laterSignal} from '../../lib/core/time/timer.ts'
import {compileFilter} from '../../lib/messaging/pubsub/filter.ts'
import {type ReplayCounts, type Replayed, replay} from '../../lib/messaging/replay/replay.ts'
import {durableSource, type ReplaySource, rangeSource} from '../../lib/messaging/replay/source.ts'
import type {CopiedMessages, VerifiedCopies} from '../../lib/messaging/replay/verify.ts'
import type {CopySink, Sink} from '../../lib/messaging/sinks/sink.ts'
import {unacknowledged} from '../../lib/messaging/stored/places.ts'
import {stallReport} from '../../lib/messaging/stored/stall.ts'
import {checkNoneLost, lostWaitMs} from '../../lib/transport/deliveries.ts'
import type {ConsumerInfo} from '../../lib/transport/streams-contract.ts'
import {
  checkReplayFlags,
  openConsumer,
  paceOf,
  policyOf,
  type ReplayFlags,
  rangeOf,
  replayFlags,
  replayLine,
  surveyJson,
  surveyText,
} from './replay-plan.ts'
import {chooseSink, type SinkContext} from './replay-sink.ts'
import {verifyCopies} from './replay-verify.ts'

/** What `--json` prints at the end, unless stdout has the messages. */
type ReplayResult = Omit<Replayed, 'complete'> & {
  readonly stream: string
  readonly consumer?: string | undefined
  readonly redelivered?: number | undefined
  readonly floor?: {readonly before: number; readonly after: number} | undefined
  /** With --verify. */
  readonly verified?: VerifiedCopies | undefined
}

type Flags = ReplayFlags & {readonly quiet: boolean; readonly timeout: number}

export default class ConsumerReplay extends BusCommand<unknown> {
  static override summary = 'replay a durable consumer, or a range of a stream, into a program, a webhook or a bus'
  static override description = [
    'With CONSUMER it resumes after the last acknowledged message, and acknowledges each message only after it was handled; the consumer is never removed or reconfigured. Without CONSUMER it reads a range and changes nothing.',
    'Messages go to stdout, or to one of --exec, --exec-lines, --webhook, --republish, --into, --step. A message that cannot be handled is retried (--max-deliver times, with growing delays); then it goes to the --dead file, or the replay stops before it. The exit code is 0 only if every message was handled. If the consumer is paused for longer than --timeout, a replay without --follow ends at once with exit code 6.',
    'A program of --exec-lines keeps running, reads records and writes a line for each: ack, nak or term. A webhook gets the payload with the headers Bus-Subject, Bus-Sequence, Bus-Time, Bus-Stream, Bus-Consumer, Bus-Deliveries and Bus-Headers (JSON), and must answer 2xx.',
    'A copy made by --into has the headers Bus-Stream, Bus-Source, Bus-Sequence, Bus-Time and Bus-Copied (and Bus-Via, when it was copied before), which tell the next run what is missing. Headers that a store would act on (Nats-TTL, Nats-Rollup, Nats-Schedule, Nats-Expected-…) are kept as data under Bus- names, unless --obey-headers is given. Copying into a stream that has messages from elsewhere needs confirmation, or --yes.',
    'With --verify the messages that this run copied are read again on both sides once all are handled, and compared: subject, payload and headers, except those that a copy adds. If a copy is missing or differs, the exit code is 9. Messages that the target had before are not compared, see stream diff; neither are those that have left the source since.',
  ].join('\n\n')
  static override examples = [
    {
      description: 'show what is pending, without acknowledging it',
      command: '<%= config.bin %> consumer replay ORDERS billing --peek',
    },
    {
      description: 'resume where it stopped',
      command: '<%= config.bin %> consumer replay ORDERS billing --exec -- ./bill.sh',
    },
    {
      description: 'the last 15 minutes again, ten times as fast',
      command: `<%= config.bin %> consumer replay ORDERS --from @-15m --speed 10 --webhook http://127.0.0.1:8080/orders`,
    },
    {description: 'rewind, then replay', command: '<%= config.bin %> consumer replay ORDERS billing --reset @-1h'},
    {
      description: 'copy a stream to a server',
      command: '<%= config.bin %> consumer replay ORDERS --into nats://127.0.0.1:4222 --create',
    },
    {
      description: 'copy it to a file, and compare the copies',
      command: '<%= config.bin %> consumer replay ORDERS --into copy.db --create --verify',
    },
  ]
  static override args = {
    ...streamArgs,
    consumer: argument({description: 'name of a durable consumer of the stream'}),
  }
  static override flags = replayFlags

  /** Aborted when the user of --step quits. */
  readonly #quit = new AbortController()
  #isDraining = false

  async run(): Promise<unknown> {
    const parsed = await this.parse(ConsumerReplay)
    const flags: Flags = {...parsed.flags, ...parsed.args}
    checkReplayFlags(flags, this.program, process.env['PATH'] ?? '')
    const writes = flags.consumer !== undefined && !flags.peek && !flags['dry-run']
    await using bus = await this.openBus({stream: true, writes})
    const consumer = await openConsumer(bus.streams, flags, this.#confirmed(flags))
    const range = consumer === undefined ? await rangeOf(bus.streams, flags) : unacknowledged(consumer)
    if (flags['dry-run']) return await this.#survey(await rangeSource(bus, flags.stream, range), flags)
    await using target =
      flags.into === undefined ? undefined : await this.openBus({stream: true, writes: true, bus: flags.into})
    const copied = flags.verify ? await copiedMessages() : undefined
    const {sink, shows} = await chooseSink(flags, this.#sinkContext(flags, {bus, target, copied}))
    await using _sink = sink
    const isDurable = consumer !== undefined && !flags.peek
    policyOf(flags, consumer)
    const isLook = flags.count !== undefined || flags.step
    if (isDurable && isLook && !flags.yes) checkNoneLost(consumer, flags.count ?? 0)
    const source = isDurable
      ? await durableSource(bus, consumer, {
          prefetch: sink.batch === 1 ? 0 : 4 * sink.batch,
          follow: flags.follow,
          count: flags.count,
          leave: laterSignal(this.stop, lostWaitMs.interrupted),
          onDraining: () => {
            this.#isDraining = true
            this.say('handling delivered messages first: they may not be redelivered')
          },
          onWaiting: ({ackPending}) =>
            this.say(
              `waiting for ${counted(ackPending, 'message')} in flight to other clients: unless acknowledged, they are redelivered after the ack wait`,
            ),
          onStall: stallReport(
            () => (flags.follow ? Number.POSITIVE_INFINITY : Date.now() + flags.timeout),
            (line) => this.say(line),
            formatMoment,
          ),
        })
      : await rangeSource(bus, flags.stream, range, flags.count)
    limitHeap()
    const done = await this.#replay(source, sink, flags, {consumer, shows}).catch((error: unknown) => {
      if (error instanceof BusError && error.data?.['read'] !== undefined)
        this.say(replayLine(error.data as unknown as Replayed, undefined, flags))
      throw error
    })
    const after = isDurable ? await bus.streams.consumers.info(flags.stream, consumer.config.name) : undefined
    const result = this.#sumUp(
      done,
      flags,
      after &&
        consumer && {
          redelivered: source.redelivered,
          before: consumer.ackFloor,
          after: after.ackFloor,
          outOfDeliveries: exhaustedOf(consumer, after, source),
        },
      shows,
    )
    if (copied === undefined || target === undefined || !('sourceId' in sink)) return result
    const {stream, sourceId} = sink
    const verified = await verifyCopies(copied, {
      source: {bus, stream: flags.stream, filters: flags.filter},
      target: {bus: target, stream, sourceId},
      ...{stop: this.stop, quiet: flags.quiet, say: (line) => this.say(line)},
    })
    return {...result, verified}
  }

  /** Fails with `expectation` if a copy is missing or differs. */
  async #replay(
    source: ReplaySource,
    sink: Sink | CopySink,
    flags: Flags,
    {consumer, shows}: {readonly consumer: ConsumerInfo | undefined; readonly shows: boolean},
  ): Promise<Replayed> {
    await using _source = source
    using deadLetters = flags.dead === undefined ? undefined : openRecordFile(flags.dead)
    const limit = source.total ?? flags.count
    using bar =
      flags.quiet || flags.step
        ? undefined
        : startProgress({unit: 'messages', total: limit === Number.POSITIVE_INFINITY ? undefined : limit, shows})
    return await replay(source, sink, {
      policy: policyOf(flags, consumer),
      pace: paceOf(flags),
      keep: await compileFilter({match: flags.match, where: flags.where, onFailure: (line) => this.say(line)}),
      stop: flags.step ? undefined : this.stop,
      quit: flags.step ? AbortSignal.any([this.stop, this.#quit.signal]) : undefined,
      onGivenUp: deadLetters && ((message) => deadLetters.record([message])),
      onWaiting: ({reason}, waitMs) =>
        this.say(`${reason}; the next attempt is in ${durationText(Math.ceil(waitMs / 1000) * 1000)}`),
      onProgress: ({read}: ReplayCounts) => bar?.update(read),
    })
  }

  #confirmed(flags: Flags): (question: string) => Promise<void> {
    return (question) => confirm(question, {yes: flags.yes === true, signal: this.stop})
  }

  /** Aborts soon after `stop`, unless delivered messages have to be handled first. */
  #giveUpSignal(): AbortSignal {
    const giveUp = new AbortController()
    laterSignal(this.stop, lostWaitMs.interrupted).addEventListener('abort', () => {
      if (!this.#isDraining) giveUp.abort()
    })
    return giveUp.signal
  }

  #sinkContext(
    flags: Flags,
    {bus, target, copied}: Pick<SinkContext, 'bus' | 'target'> & {readonly copied: CopiedMessages | undefined},
  ): SinkContext {
    return {
      bus,
      target,
      onStored: copied && ((seq, at) => copied.stored(seq, at)),
      argv: this.program,
      output: this.output,
      paint: (fd) => this.paint(fd),
      say: (line) => this.say(line),
      confirm: this.#confirmed(flags),
      stop: this.stop,
      giveUp: this.#giveUpSignal(),
      quit: () => this.#quit.abort(),
      userAgent: `busline/${this.version}`,
    }
  }

  async #survey(source: ReplaySource, flags: Flags): Promise<unknown> {
    await using _source = source
    const {survey} = await import('../../lib/messaging/replay/survey.ts')
    const found = await survey(source, this.stop)
    if (!flags.json) {
      this.output.write(await surveyText(found, await this.paint(1), this.stop))
      await this.output.end()
    }
    return surveyJson(found, flags)
  }

  #sumUp(
    done: Replayed,
    flags: Flags,
    durable: (NonNullable<Parameters<typeof replayLine>[1]> & {readonly outOfDeliveries: number}) | undefined,
    shows: boolean,
  ): ReplayResult | undefined {
    const {complete, ...counts} = done
    for (const {subject, seq, reason, fate} of done.unhandled) this.say(`${fate}: ${seq ?? ''} ${subject}: ${reason}`)
    this.say(replayLine(done, durable, flags))
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
        try: ['the messages are listed above'],
      })
    }
    const lost = durable?.outOfDeliveries ?? 0
    if (lost > 0) {
      const what = lost === 1 ? '1 message was' : `${lost} messages were`
      throw new BusError(
        'remote',
        `${what} given up by the consumer: delivered the maximum number of times and never acknowledged`,
        {
          data: {...result, outOfDeliveries: lost},
          try: [
            `bus consumer next ${shellWord(stream)} ${shellWord(consumer ?? '')} --peek`,
            'a larger --max-deliver of the consumer, or --reset to an earlier position',
          ],
        },
      )
    }
    if (!complete && !flags.follow && !shows) {
      throw new BusError(
        'interrupted',
        `interrupted after ${done.handled === 1 ? '1 message was' : `${done.handled} messages were`} handled`,
        {data: result},
      )
    }
    return shows ? undefined : result
  }
}

async function copiedMessages(): Promise<CopiedMessages> {
  const {CopiedMessages} = await import('../../lib/messaging/replay/verify.ts')
  return new CopiedMessages()
}

/** The number of messages that reached their limit of deliveries, before or during a replay. The count of the source is exact. */
function exhaustedOf(
  {givenUp = 0}: ConsumerInfo,
  after: ConsumerInfo,
  {exhausted}: Pick<ReplaySource, 'exhausted'>,
): number {
  return exhausted > 0 ? givenUp + exhausted : Math.max(givenUp, after.givenUp ?? 0)
}
