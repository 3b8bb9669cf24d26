/** The sink of `consumer replay`: where its messages go. */

import type {ChalkInstance} from 'chalk'
import {webhookJson} from '../../lib/cli/flags/webhook.ts'
import type {Output} from '../../lib/cli/io/output.ts'
import {isTerminal, programStderr} from '../../lib/cli/io/terminal.ts'
import {chooseView, type View} from '../../lib/cli/render/view.ts'
import {BusError} from '../../lib/core/errors.ts'
import {programTimeoutMs} from '../../lib/core/process/exec.ts'
import {matches} from '../../lib/core/subject.ts'
import type {IntoSink} from '../../lib/messaging/replay/copies.ts'
import type {CopySink, Sink} from '../../lib/messaging/sinks/sink.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import type {ReplayFlags} from './replay-plan.ts'

export interface SinkContext {
  readonly bus: Transport
  /** The bus of `--into`. */
  readonly target: Transport | undefined
  /** The program and its arguments. */
  readonly argv: readonly string[]
  readonly output: Output
  readonly paint: (fd: 1 | 2) => Promise<ChalkInstance | undefined>
  readonly say: (line: string) => void
  /** Rejects unless the user agrees. */
  readonly confirm: (question: string) => Promise<void>
  readonly stop: AbortSignal
  /** Ends the work that is in progress. */
  readonly giveUp: AbortSignal
  /** Ends the replay when the user quits. */
  readonly quit: () => void
  /** Called for each copy that `--into` stores: its sequences in the source and in the target. */
  readonly onStored?: ((seq: number, at: number) => void) | undefined
  /** How webhooks are called. */
  readonly userAgent: string
}

interface ChosenSink {
  readonly sink: Sink | CopySink | IntoSink
  /** Whether the messages are shown on stdout. */
  readonly shows: boolean
}

/** The sink that the flags ask for; stdout by default. Fails with `usage`. */
export async function chooseSink(
  flags: ReplayFlags & {readonly timeout: number},
  context: SinkContext,
): Promise<ChosenSink> {
  const sink = await otherSink(flags, context)
  if (sink !== undefined) return {sink, shows: false}
  // With a durable consumer a message to which --select cannot be applied would be acknowledged unseen.
  const onFailure = flags.consumer === undefined && !flags.isPicked ? context.say : undefined
  const paint = await context.paint(1)
  const view = await chooseView(flags, {
    ...{terminal: isTerminal(1), paint, stored: true, onFailure},
    single: flags.count === 1,
    frees: true,
  })
  return {sink: viewSink(view, context.output, {ordered: flags.select !== undefined}), shows: true}
}

async function otherSink(
  flags: ReplayFlags & {readonly timeout: number},
  context: SinkContext,
): Promise<Sink | CopySink | IntoSink | undefined> {
  if (flags.exec || flags['exec-lines']) return programs(flags, context)
  if (flags.webhook !== undefined) return webhook(flags.webhook, flags, context)
  if (flags.step) {
    if (!isTerminal(0) || !isTerminal(2)) throw new BusError('usage', '--step needs a terminal')
    const {stepSink} = await import('../../lib/cli/base/step-prompt.ts')
    return stepSink({signal: context.stop, paint: await context.paint(2), quit: context.quit})
  }
  return flags.republish !== undefined || context.target !== undefined ? copies(flags, context) : undefined
}

async function webhook(
  url: string,
  flags: ReplayFlags & {readonly timeout: number},
  {giveUp: signal, userAgent}: SinkContext,
): Promise<Sink> {
  const {parseWebhookOptions} = await import('../../lib/messaging/sinks/webhook-options.ts')
  const {webhookSink} = await import('../../lib/messaging/sinks/webhook.ts')
  const {options, others} = parseWebhookOptions(webhookJson(flags))
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw new BusError('usage', `a replay has no option "${unknown}"`)
  const {concurrency = 1, timeout: timeoutMs} = flags
  return webhookSink({url, options, concurrency, timeoutMs, signal, userAgent})
}

async function programs(flags: ReplayFlags, {argv, output, giveUp: signal}: SinkContext): Promise<Sink> {
  const {linesSink, programSink} = await import('../../lib/messaging/sinks/programs.ts')
  const onStderr = programStderr()
  const timeoutMs = flags['exec-timeout'] ?? programTimeoutMs
  if (flags['exec-lines']) return linesSink({argv, window: flags.concurrency ?? 64, timeoutMs, signal, onStderr})
  return programSink({
    argv,
    concurrency: flags.concurrency ?? 1,
    timeoutMs,
    signal,
    onStderr,
    onStdout(data) {
      // With --json stdout has the result.
      if (flags.json) onStderr(data)
      else output.write(data)
      return output.ready()
    },
  })
}

async function copies(
  flags: ReplayFlags,
  {bus, target, say, confirm, giveUp: signal, onStored}: SinkContext,
): Promise<CopySink | IntoSink> {
  const {stream, consumer, 'obey-headers': obeyHeaders = false} = flags
  const info = await bus.streams.info(stream)
  if (target === undefined) {
    const isOwn = (subject: string) => info.config.subjects.some((pattern) => matches(pattern, subject))
    const wouldReturn = (subject: string) => flags.follow === true && isOwn(subject)
    const {republishSink} = await import('../../lib/messaging/replay/republish.ts')
    return republishSink(bus, flags.republish ?? '', {obeyHeaders, wouldReturn, signal})
  }
  const {intoSink} = await import('../../lib/messaging/replay/copies.ts')
  const sink = await intoSink({bus, info}, target, {
    obeyHeaders,
    signal,
    create: flags.create === true,
    filters: filtersOf(flags),
    floor:
      consumer === undefined ? undefined : async () => (await bus.streams.consumers.info(stream, consumer)).ackFloor,
    confirm,
    onStored,
  })
  if (sink.isResumed) say(`stream ${sink.stream} has copies of ${stream}: copying what is missing`)
  const {firstSeq} = info.state
  if (sink.lastCopied > 0 && firstSeq > sink.lastCopied + 1)
    say(`any messages of ${stream} between #${sink.lastCopied} and #${firstSeq} are gone and were not copied`)
  return sink
}

/** The patterns of `--filter`, if no other flag selects messages. */
function filtersOf(flags: ReplayFlags): readonly string[] | undefined {
  const {consumer, filter = [], match, where, isPicked, 'last-per-subject': lastPerSubject} = flags
  return [consumer, match, where, lastPerSubject, isPicked].every((flag) => flag === undefined) ? filter : undefined
}

/** stdout as a sink: a message is handled when the system has accepted its output. */
function viewSink(view: View, output: Output, {ordered}: {readonly ordered: boolean}): Sink {
  return {
    batch: 512,
    // A view that evaluates an expression must not be overtaken by the next batch.
    depth: ordered ? 1 : 4,
    async take(messages) {
      const shown = view.show(messages, output)
      if (typeof shown !== 'number') await shown
      if (!(await output.written())) throw new BusError('interrupted', 'the reader of stdout is gone')
      return undefined
    },
    async [Symbol.asyncDispose]() {},
  }
}
