import {ReportCommand, reportFlags} from '../../lib/cli/base/report-command.ts'
import {argument, choice} from '../../lib/cli/flags/kinds.ts'
import {formatAgo, formatCount, formatGrowth} from '../../lib/cli/render/units.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import {listConsumers} from '../../lib/messaging/stored/find.ts'
import {type Stall, stallsOf} from '../../lib/messaging/stored/stall.ts'
import type {ConsumerInfo} from '../../lib/transport/streams-contract.ts'

/** A consumer in the report; times are ISO 8601. */
export interface ReportedConsumer {
  readonly stream: string
  readonly consumer: string
  /** The sum of `pending` and `ackPending`. */
  readonly lag: number
  readonly pending: number
  readonly ackPending: number
  readonly redelivered: number
  /** By how much the lag grew per second since the reading before; absent in the first one. */
  readonly growth?: number | undefined
  readonly lastActive?: string | undefined
  readonly stalled?: readonly Stall['reason'][] | undefined
}

const orders = {
  lag: ({lag}: ReportedConsumer) => -lag,
  growth: ({growth = 0}: ReportedConsumer) => -growth,
  redelivered: ({redelivered}: ReportedConsumer) => -redelivered,
  'ack-pending': ({ackPending}: ReportedConsumer) => -ackPending,
  name: () => 0,
}

export default class ConsumerReport extends ReportCommand<ReportedConsumer> {
  static override summary = 'show which consumers of a stream, or of all streams, are behind, and whether they catch up'
  static override description =
    'Growth is by how much the lag grew per second between two readings: shown with --watch from the second view on, and with --sort growth, which waits for --every first. A lag that grows means that messages arrive faster than they are acknowledged.'
  static override examples = [
    {description: 'the largest lag first', command: '<%= config.bin %> consumer report'},
    {description: 'those that fall behind', command: '<%= config.bin %> consumer report ORDERS --sort growth'},
    {
      description: 'again and again, every two seconds',
      command: '<%= config.bin %> consumer report --watch --every 2s',
    },
  ]
  static override args = {stream: argument({description: 'name of the stream (default: all)'})}
  static override flags = {
    sort: choice('the order (default: lag)', [...(['lag', 'growth', 'redelivered', 'ack-pending', 'name'] as const)]),
    ...reportFlags,
  }

  async run(): Promise<readonly ReportedConsumer[] | undefined> {
    const {args, flags} = await this.parse(ConsumerReport)
    const {sort = 'lag', watch} = flags
    await using bus = await this.openBus({stream: watch})
    const place = orders[sort]
    const none = `no consumers${args.stream === undefined ? '' : ` of stream ${args.stream}`}`
    return await this.report(
      {
        async read() {
          const unreachable: string[] = []
          const onUnreachable = (names: readonly string[]) => unreachable.push(...names)
          const consumers = await listConsumers(bus.streams, args.stream, {onUnreachable})
          return {rows: consumers.map(rowOf), unreachable}
        },
        key: ({stream, consumer}) => `${stream} ${consumer}`,
        since: (row, before, seconds) => ({...row, growth: (row.lag - before.lag) / seconds}),
        compare: (one, other) => place(one) - place(other),
        ...{columns, cells, none},
      },
      flags,
      {url: bus.url, needsRates: sort === 'growth'},
    )
  }
}

function rowOf(info: ConsumerInfo): ReportedConsumer {
  const {stream, config, pending, ackPending, redelivered, lastActive} = info
  const stalled = stallsOf(info).map(({reason}) => reason)
  return {
    ...{stream, consumer: config.name, lag: pending + ackPending, pending, ackPending, redelivered},
    ...(lastActive !== undefined && {lastActive: isoTime(lastActive)}),
    ...(stalled.length > 0 && {stalled}),
  }
}

const right = (head: string) => ({head, align: 'right' as const})

function columns(hasRates: boolean) {
  return [
    {head: 'stream'},
    {head: 'consumer'},
    right('lag'),
    ...(hasRates ? [right('growth')] : []),
    ...[right('ack pending'), right('redelivered')],
    ...[{head: 'last active'}, {head: 'state'}],
  ]
}

function cells(row: ReportedConsumer, hasRates: boolean): string[] {
  const {stream, consumer, lag, growth, ackPending, redelivered, lastActive, stalled = []} = row
  return [
    ...[stream, consumer, formatCount(lag)],
    ...(hasRates ? [growth === undefined ? '' : formatGrowth(growth)] : []),
    ...[ackPending, redelivered].map(formatCount),
    lastActive === undefined ? 'never' : formatAgo(Date.parse(lastActive)),
    stalled.join(' '),
  ]
}
