import {BusCommand} from '../../lib/cli/base/command.ts'
import {limitHeap} from '../../lib/cli/base/heap-limit.ts'
import {text, toggle, values, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {printable, printableJson} from '../../lib/cli/render/printable.ts'
import {checkEnough, summaryLine} from '../../lib/cli/render/summary.ts'
import type {Message} from '../../lib/core/message.ts'
import type {Position} from '../../lib/core/position.ts'
import {watch} from '../../lib/messaging/pubsub/watch.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {type AdvisoryDocument, advisoryIn, advisoryKinds, advisoryLine, apiAudit, checkKind} from './advisory.ts'

const advisorySubjects = '$JS.EVENT.ADVISORY.>'
const liveSubjects = [advisorySubjects, '$JS.EVENT.METRIC.>']
const connectionSubjects = ['$SYS.ACCOUNT.*.CONNECT', '$SYS.ACCOUNT.*.DISCONNECT']

export default class Advisories extends BusCommand {
  static override summary = 'show what JetStream reports: failed messages, elections, created and removed streams, …'
  static override description = [
    `One line for each advisory or metric, as it happens; with --from, those that a stream has stored come first. The kinds, as in the type of the advisory, are ${advisoryKinds.join(', ')}. A bus file reports max-deliver and terminated.`,
    'The command ends with --count, --for, --idle, Ctrl-C or a closed pipe. The exit code is 6 if fewer than --count were shown within --for or --idle.',
  ].join('\n\n')
  static override examples = [
    {
      description: 'messages that consumers gave up',
      command: '<%= config.bin %> advisories --kind max-deliver --kind terminated',
    },
    {
      description: 'the first ones that a stream has stored',
      command: '<%= config.bin %> advisories --from first -n 10',
    },
  ]
  static override flags = {
    kind: values(
      'only this kind; api-audit, one for each request to the API, is shown only if it is named here',
      '<kind>',
      checkKind,
    ),
    stream: text('only those about this stream', '<name>'),
    consumer: text('only those about this consumer', '<name>'),
    connections: toggle('also connects and disconnects of clients; for a login of the system account'),
    from: variant(streamFlags.from, {exclusive: ['connections']}),
    end: toggle('stop at the current end of the stream', {dependsOn: ['from']}),
    keeper: text('stream that stores the advisories, if several do', '<name>', {dependsOn: ['from']}),
    count: variant(pacingFlags.count, {description: 'end after this many advisories'}),
    for: pacingFlags.for,
    idle: pacingFlags.idle,
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(Advisories)
    const {kind: kinds, stream, consumer} = flags
    const isWanted = (advisory: AdvisoryDocument) =>
      (kinds === undefined ? advisory.kind !== apiAudit : kinds.includes(advisory.kind)) &&
      (stream === undefined || advisory.stream === stream) &&
      (consumer === undefined || advisory.consumer === consumer)
    const keep = (batch: readonly Message[]) => batch.filter((message) => isWanted(advisoryIn(message)))
    await using bus = await this.openBus({stream: true})
    const subscription = await this.#subscription(bus, flags)
    limitHeap()
    const watched = await watch(subscription, {
      count: flags.count,
      forMs: flags.for,
      idleMs: flags.idle,
      keep,
      show: async (batch, limit) => {
        const shown = batch.slice(0, limit)
        for (const message of shown) this.output.write(`${this.#line(advisoryIn(message))}\n`)
        await this.output.ready()
        return shown.length
      },
      signal: this.stop,
      gone: this.output.closed,
      onEnd: ({kept, ms}) => this.say(summaryLine({shown: kept}, ms)),
    })
    checkEnough(watched, flags)
  }

  async #subscription(bus: Transport, {from, end, keeper, connections}: SourceFlags) {
    if (from !== undefined) {
      const {openReading} = await import('../../lib/messaging/stored/range-reader.ts')
      const options = {from, to: end ? ('end' as const) : undefined, stream: keeper, signal: this.stop}
      const reading = await openReading(bus.streams, [advisorySubjects], options)
      this.say(`listening on ${advisorySubjects} of stream ${reading.stream}`)
      return reading.subscription
    }
    const patterns = connections ? [...liveSubjects, ...connectionSubjects] : liveSubjects
    const subscription = await bus.subscribe(patterns)
    this.say(`listening on ${patterns.join(' ')}`)
    return subscription
  }

  #line(advisory: AdvisoryDocument): string {
    return this.jsonEnabled() ? printableJson(JSON.stringify(advisory)) : printable(advisoryLine(advisory))
  }
}

interface SourceFlags {
  readonly from?: Position | undefined
  readonly end: boolean
  readonly keeper?: string | undefined
  readonly connections: boolean
}
