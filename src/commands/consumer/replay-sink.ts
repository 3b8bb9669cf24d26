/** Where `consumer replay` hands its messages, by its flags. */
import type {ChalkInstance} from 'chalk'
import type {Output} from '../../lib/cli/io/output.ts'
import {isTerminal, tell} from '../../lib/cli/io/terminal.ts'
import {chooseView} from '../../lib/cli/render/view.ts'
import {BusError} from '../../lib/core/errors.ts'
import {matches} from '../../lib/core/subject.ts'
import type {Sink} from '../../lib/messaging/sinks/sink.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {type ReplayFlags, viewSink} from './replay-plan.ts'

export interface SinkStage {
  readonly bus: Transport
  /** The bus of `--into`. */
  readonly target: Transport | undefined
  /** The program of `--exec`. */
  readonly argv: readonly string[]
  readonly output: Output
  readonly paint: (fd: 1 | 2) => Promise<ChalkInstance | undefined>
  readonly say: (line: string) => void
  readonly stop: AbortSignal
  /** Ends the replay, by the wish of who decides by hand. */
  readonly quit: () => void
}

interface ChosenSink {
  readonly sink: Sink
  /** stdout shows the messages. */
  readonly shows: boolean
}

const execTimeoutMs = 30_000

/** The sink that the flags ask for; stdout without any. Fails with `usage`. */
export async function chooseSink(
  flags: ReplayFlags & {readonly timeout: number},
  stage: SinkStage,
): Promise<ChosenSink> {
  const sink = await elsewhere(flags, stage)
  if (sink !== undefined) return {sink, shows: false}
  // On a durable what an expression cannot be applied to would be acknowledged unseen.
  const onFailure = flags.consumer === undefined ? stage.say : undefined
  const view = await chooseView(flags, {terminal: isTerminal(1), paint: await stage.paint(1), onFailure})
  return {sink: viewSink(view, stage.output, {ordered: flags.select !== undefined}), shows: true}
}

async function elsewhere(flags: ReplayFlags & {readonly timeout: number}, stage: SinkStage): Promise<Sink | undefined> {
  if (flags.exec || flags['exec-lines']) return programs(flags, stage)
  if (flags.webhook !== undefined) {
    const {webhookSink} = await import('../../lib/messaging/sinks/webhook.ts')
    return webhookSink({url: flags.webhook, concurrency: flags.concurrency ?? 1, timeoutMs: flags.timeout})
  }
  if (flags.step) {
    if (!isTerminal(0) || !isTerminal(2)) throw new BusError('usage', '--step needs a terminal to ask on')
    const {stepSink} = await import('../../lib/cli/base/step-prompt.ts')
    return stepSink({signal: stage.stop, paint: await stage.paint(2), quit: stage.quit})
  }
  return flags.republish !== undefined || stage.target !== undefined ? copies(flags, stage) : undefined
}

async function programs(flags: ReplayFlags, {argv, output}: SinkStage): Promise<Sink> {
  const {linesSink, programSink} = await import('../../lib/messaging/sinks/programs.ts')
  const onStderr = (chunk: Uint8Array) => tell(chunk)
  if (flags['exec-lines']) return linesSink({argv, window: flags.concurrency ?? 64, onStderr})
  return programSink({
    argv,
    concurrency: flags.concurrency ?? 1,
    timeoutMs: flags['exec-timeout'] ?? execTimeoutMs,
    onStderr,
    onStdout(data) {
      // With --json stdout is for the result.
      if (flags.json) tell(data)
      else output.write(data)
      return output.ready()
    },
  })
}

async function copies(flags: ReplayFlags, {bus, target, say}: SinkStage): Promise<Sink> {
  const {intoSink, republishSink} = await import('../../lib/messaging/replay/copies.ts')
  const source = await bus.streams.info(flags.stream)
  if (target === undefined) {
    const isOwn = (subject: string) => source.config.subjects.some((pattern) => matches(pattern, subject))
    return republishSink(bus, flags.republish ?? '', {keptBy: (subject) => flags.follow === true && isOwn(subject)})
  }
  const sink = await intoSink(target, source, {create: flags.create === true})
  if (sink.after > 0) say(`stream ${sink.stream} has copies up to ${sink.after}: going on after it`)
  return sink
}
