import {ReportCommand, reportFlags} from '../../lib/cli/base/report-command.ts'
import {choice} from '../../lib/cli/flags/kinds.ts'
import {formatAgo, formatBytes, formatCount, formatGrowth} from '../../lib/cli/render/units.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import type {ConsumerInfo, StreamInfo} from '../../lib/transport/streams-contract.ts'

/** A stream in the report; times are ISO 8601. */
export interface ReportedStream {
  readonly stream: string
  readonly messages: number
  readonly bytes: number
  /** The change per second since the reading before; absent in the first one. */
  readonly growth?: {readonly messages: number; readonly bytes: number} | undefined
  readonly consumers: number
  /** The largest lag of a consumer, and the sum of redelivered messages in flight. */
  readonly lag: number
  readonly redelivered: number
  readonly lastTime?: string | undefined
}

const orders = {
  lag: ({lag}: ReportedStream) => -lag,
  growth: ({growth}: ReportedStream) => -(growth?.messages ?? 0),
  redelivered: ({redelivered}: ReportedStream) => -redelivered,
  messages: ({messages}: ReportedStream) => -messages,
  bytes: ({bytes}: ReportedStream) => -bytes,
  name: () => 0,
}

export default class StreamReport extends ReportCommand<ReportedStream> {
  static override summary = 'show how large the streams are, how they grow, and how far behind their consumers are'
  static override description =
    'Lag is the largest of a consumer. Growth is the change of the number of messages per second between two readings: shown with --watch from the second view on, and with --sort growth, which waits for --every first.'
  static override examples = [
    {description: 'the largest lag first', command: '<%= config.bin %> stream report'},
    {description: 'the largest streams', command: '<%= config.bin %> stream report --sort bytes'},
    {
      description: 'what grows, every two seconds',
      command: '<%= config.bin %> stream report --sort growth --watch --every 2s',
    },
  ]
  static override flags = {
    sort: choice('the order (default: lag)', [
      ...(['lag', 'growth', 'redelivered', 'messages', 'bytes', 'name'] as const),
    ]),
    ...reportFlags,
  }

  async run(): Promise<readonly ReportedStream[] | undefined> {
    const {flags} = await this.parse(StreamReport)
    const {sort = 'lag', watch} = flags
    await using bus = await this.openBus({stream: watch})
    const place = orders[sort]
    return await this.report(
      {
        async read() {
          const unreachable: string[] = []
          const onUnreachable = (names: readonly string[]) => unreachable.push(...names)
          const rows: ReportedStream[] = []
          for (const info of await bus.streams.list({onUnreachable})) {
            const {name} = info.config
            const consumers = info.state.consumers > 0 ? await bus.streams.consumers.list(name, {onUnreachable}) : []
            rows.push(rowOf(info, consumers))
          }
          return {rows, unreachable}
        },
        key: ({stream}) => stream,
        since: (row, before, seconds) => ({
          ...row,
          growth: {messages: (row.messages - before.messages) / seconds, bytes: (row.bytes - before.bytes) / seconds},
        }),
        compare: (one, other) => place(one) - place(other),
        ...{columns, cells, none: 'no streams; bus stream add creates one'},
      },
      flags,
      {url: bus.url, needsRates: sort === 'growth'},
    )
  }
}

function rowOf({config, state}: StreamInfo, consumers: readonly ConsumerInfo[]): ReportedStream {
  const {messages, bytes, lastTime} = state
  return {
    ...{stream: config.name, messages, bytes, consumers: state.consumers},
    lag: Math.max(0, ...consumers.map(({pending, ackPending}) => pending + ackPending)),
    redelivered: consumers.reduce((sum, {redelivered}) => sum + redelivered, 0),
    ...(lastTime !== undefined && messages > 0 && {lastTime: isoTime(lastTime)}),
  }
}

const right = (head: string) => ({head, align: 'right' as const})

function columns(hasRates: boolean) {
  return [
    {head: 'stream'},
    ...[right('messages'), right('size')],
    ...(hasRates ? [right('growth')] : []),
    ...[right('consumers'), right('lag'), right('redelivered')],
    {head: 'last message'},
  ]
}

function cells(row: ReportedStream, hasRates: boolean): string[] {
  const {stream, messages, bytes, growth, consumers, lag, redelivered, lastTime} = row
  return [
    ...[stream, formatCount(messages), formatBytes(bytes)],
    ...(hasRates ? [growth === undefined ? '' : formatGrowth(growth.messages)] : []),
    ...[consumers, lag, redelivered].map(formatCount),
    lastTime === undefined ? 'none' : formatAgo(Date.parse(lastTime)),
  ]
}
