import {BusCommand} from '../../lib/cli/base/command.ts'
import {lastAcksMs} from '../../lib/cli/base/signals.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {startProgress} from '../../lib/cli/render/progress.ts'
import {summaryLine} from '../../lib/cli/render/summary.ts'
import {counted, formatBytes, formatCount} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {roundedMs} from '../../lib/core/record.ts'
import {laterSignal} from '../../lib/core/time/timer.ts'
import {AcknowledgedSink} from '../../lib/messaging/pubsub/acknowledged.ts'
import {type Published, publishAll} from '../../lib/messaging/pubsub/publish.ts'
import type {StreamPublisher} from '../../lib/transport/streams-contract.ts'
import {planPublish, pubFlags} from './plan.ts'

/** What `--json` prints. */
export interface PubResult {
  readonly published: number
  /** As given; absent for records, which have their own. */
  readonly subject?: string | undefined
  /** Bytes of all payloads. */
  readonly bytes: number
  readonly ms: number
  /** With --ack: the number of acknowledged messages, and the highest sequence assigned. */
  readonly acknowledged?: number | undefined
  /** How many of them the stream had stored before under the same message id. */
  readonly duplicates?: number | undefined
  readonly stream?: string | undefined
  readonly seq?: number | undefined
}

export default class Pub extends BusCommand<PubResult> {
  static override summary = 'publish messages'
  static override description =
    'The body is the argument, a file, or stdin if neither is given and stdin is not a terminal. Ctrl-C stops between two messages and reports how many were published.'
  static override examples = [
    {description: 'one message', command: `<%= config.bin %> pub orders.created '{"id":1}'`},
    {description: 'the output of a program', command: 'date | <%= config.bin %> pub clock'},
    {description: 'each line of a log', command: 'tail -f app.log | <%= config.bin %> pub logs.app --lines'},
    {
      description: 'a thousand different messages at a steady rate',
      command: `<%= config.bin %> pub 'orders.{random:1-9}' '{"id":{n},"at":"{time}"}' --template -n 1000 --rate 200/s`,
    },
    {
      description: 'a recording, at its original pace',
      command: '<%= config.bin %> pub --records recording.ndjson --speed 1',
    },
    {
      description: 'stored once, however often it is run',
      command: `<%= config.bin %> pub orders.created '{"id":1}' --ack --msg-id order-1`,
    },
    {
      description: 'each line of a file into a stream, resumable',
      command: `<%= config.bin %> pub orders.created --lines --file orders.txt --ack --template --msg-id 'orders-{n}'`,
    },
    {
      description: 'all lines of a file or none, in a stream with --allow-atomic',
      command: '<%= config.bin %> pub orders.created --lines --file orders.txt --batch',
    },
  ]
  static override args = {
    subject: argument({description: 'subject to publish to; records have their own'}),
    body: argument({description: 'body to publish; - for stdin'}),
  }
  static override flags = pubFlags

  async run(): Promise<PubResult> {
    const {args, flags} = await this.parse(Pub)
    const plan = await planPublish({...flags, ...args}, this.stop)
    await using bus = await this.openBus({stream: plan.isStream, writes: true})
    if (flags.target !== undefined) await (await import('./schedule.ts')).checkSchedules(bus, args.subject ?? '')
    if (plan.prompt) this.say(plan.prompt)
    const {unit, total, value} = plan.progress
    if (flags.batch) {
      const {publishTogether} = await import('./batch.ts')
      const signal = laterSignal(this.stop, lastAcksMs)
      const {text, ...stored} = await publishTogether(bus, plan.source(bus), {
        timeoutMs: flags.timeout,
        stop: this.stop,
        signal,
      })
      if (!this.jsonEnabled()) this.say(text)
      return {published: stored.acknowledged, subject: args.subject, ...stored}
    }
    using bar = flags.quiet || plan.prompt ? undefined : startProgress({unit, total})
    const {window, timeout: timeoutMs} = flags
    const signal = laterSignal(this.stop, lastAcksMs)
    const stored = flags.ack
      ? new AcknowledgedSink((options) => bus.streams.publisher({...options, timeoutMs, signal}), window)
      : undefined
    await using publisher = stored?.publisher
    const done = await publishAll(stored ?? bus, plan.source(bus), {
      pace: plan.pace,
      signal: this.stop,
      onProgress: (done) => bar?.update(value(done)),
    })
    bar?.[Symbol.dispose]()
    if (!done.complete && !plan.endless) throw interrupted(done)
    if (!this.jsonEnabled()) this.say(publisher ? storedText(done, publisher) : sentence(done, args.subject))
    const {published, bytes, ms} = done
    const result = {published, subject: args.subject, bytes, ms: roundedMs(ms)}
    if (publisher === undefined) return result
    const {acknowledged, duplicates, last} = publisher
    return {...result, acknowledged, duplicates, stream: last?.stream, seq: last?.seq}
  }
}

function sentence({published, bytes, ms}: Published, subject: string | undefined): string {
  if (published === 1 && subject !== undefined) return `published ${formatBytes(bytes)} to ${subject}`
  return summaryLine({published}, ms, [formatBytes(bytes)])
}

function storedText({published, bytes, ms}: Published, {duplicates, last}: StreamPublisher): string {
  const place = `#${last?.seq} of ${last?.stream}`
  if (published !== 1) {
    const facts = duplicates === 0 ? [] : [counted(duplicates, 'duplicate')]
    return summaryLine({acknowledged: published}, ms, [formatBytes(bytes), ...facts, `last is ${place}`])
  }
  return duplicates === 0 ? `stored ${formatBytes(bytes)} as ${place}` : `already stored: this message id is ${place}`
}

function interrupted({published}: Published): BusError {
  return new BusError(
    'interrupted',
    `interrupted after ${published === 1 ? '1 message was' : `${formatCount(published)} messages were`} published`,
    {
      data: {published},
    },
  )
}
