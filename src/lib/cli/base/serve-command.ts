/** What the commands that answer requests share. */
import type {ChalkInstance} from 'chalk'
import type {Message} from '../../core/message.ts'
import type {Service} from '../../messaging/pubsub/serve.ts'
import {checkServed, serve} from '../../messaging/pubsub/serve.ts'
import type {answerFlags} from '../flags/answer.ts'
import type {FlagValues} from '../flags/kinds.ts'
import type {pacingFlags} from '../flags/pacing.ts'
import type {ExecOptions} from '../flags/reply-handler.ts'
import {isTerminal, programStderr} from '../io/terminal.ts'
import {servedView} from '../render/served-view.ts'
import {summaryLine} from '../render/summary.ts'
import {counted} from '../render/units.ts'
import {BusCommand} from './command.ts'
import {whenLeaving} from './signals.ts'

type Flags = FlagValues<
  Pick<typeof pacingFlags, 'concurrency' | 'count' | 'for' | 'idle'> &
    Pick<typeof answerFlags, 'system-replies' | 'show-requests'>
> & {readonly json: boolean}

interface Answering extends Pick<Service, 'subject' | 'queue' | 'identity'> {
  /** Reads and compiles the handler, before the bus is opened. */
  readonly handler: (program: ExecOptions) => Promise<Service['handler']>
  /** Printed when requests can arrive. */
  readonly live: string
  /** The name of one request. */
  readonly unit: string
}

export abstract class ServeCommand extends BusCommand {
  /** The program after `--`, which `kill` ends. */
  protected programOf(kill: AbortSignal): ExecOptions {
    return {argv: this.program, path: process.env['PATH'] ?? '', kill, onStderr: programStderr()}
  }

  /** Serves until a bound of the flags is reached or it is stopped, and prints the summary. */
  protected async answer(flags: Flags, {handler: choose, live, unit, ...served}: Answering): Promise<void> {
    const kill = new AbortController()
    const handler = await choose(this.programOf(kill.signal))
    const paint = await this.paint(1)
    const below = flags['show-requests'] ? await requestView(paint) : undefined
    const show = servedView(flags.json, isTerminal(1), paint, below)
    using _ = whenLeaving(this.stop, () => kill.abort())
    await using bus = await this.openBus({stream: true, writes: true})
    const service: Service = {
      ...{...served, handler, signal: this.stop, concurrency: flags.concurrency ?? 16},
      ...{count: flags.count, forMs: flags.for, idleMs: flags.idle, systemReplies: flags['system-replies']},
      onLive: () => this.say(live),
      onDrain: (open) => this.say(`finishing ${counted(open, unit)}; press Ctrl-C again to stop immediately`),
      onRefused: (sentence) => this.say(sentence),
      onServed: (one) => {
        show(one, this.output)
        return this.output.ready()
      },
    }
    const {ms, ...counts} = await serve(bus, service)
    await this.output.end()
    this.say(summaryLine({...counts}, ms))
    checkServed(counts.served, service)
  }
}

/** Headers and payload of a request, indented. */
async function requestView(paint: ChalkInstance | undefined): Promise<(request: Message) => string> {
  const {humanView} = await import('../render/human.ts')
  const view = humanView({paint})
  return (request) => view.content(request).replace(/^(?=.)/gm, '    ')
}
