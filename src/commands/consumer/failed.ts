import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {checkProgram} from '../../lib/cli/base/program.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {summaryLine} from '../../lib/cli/render/summary.ts'
import {formatCount, formatMoment} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {counted} from '../../lib/core/text/count.ts'
import {laterSignal} from '../../lib/core/time/timer.ts'
import type {FailedList} from '../../lib/messaging/stored/failed.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {lostWaitMs} from '../../lib/transport/deliveries.ts'
import type {ConsumerInfo} from '../../lib/transport/streams-contract.ts'
import {
  checkFailedFlags,
  type FailedFlags,
  failedColumns,
  failedDocument,
  failedFlags,
  failedRow,
} from './failed-plan.ts'
import type {Retried} from './failed-retry.ts'

/** The rows of a table that are kept in memory; JSON has no limit. */
const mostRows = 10_000

type Flags = FailedFlags & {readonly quiet: boolean; readonly timeout: number}

export default class ConsumerFailed extends BusCommand<unknown> {
  static override summary = 'list the messages that a consumer failed to handle, and handle them again'
  static override description = [
    'A message fails when it reaches the limit of deliveries of its consumer without an acknowledgement, or when a client terminates it. A bus file has a list of them for each consumer. A server publishes an advisory for each, which is lost unless a stream keeps it: --record creates that stream, BUS_FAILED, for all streams and consumers of the account, then lists what failed if a consumer is named. It keeps the last 100,000 advisories of each kind and consumer. Without it the command cannot tell what failed, and its exit code is 5. A server notices that a message which was returned has no deliveries left only when a client asks for more.',
    'With --retry each message is handled once; a message that was handled leaves the list, at a server by deleting its advisory from BUS_FAILED. The others stay on the list, with --dead too. The consumer is not changed. A message that is no longer in its stream can be handled on a bus file only, which has a copy.',
  ].join('\n\n')
  static override examples = [
    {
      description: 'record failed messages on a server from now on',
      command: '<%= config.bin %> consumer failed --record',
    },
    {
      description: 'record them, and list those that are known',
      command: '<%= config.bin %> consumer failed ORDERS billing --record',
    },
    {description: 'what failed', command: '<%= config.bin %> consumer failed ORDERS billing'},
    {
      description: 'handle the failed messages again',
      command: '<%= config.bin %> consumer failed ORDERS billing --retry --exec -- ./bill.sh',
    },
    {
      description: 'save them in a file',
      command: '<%= config.bin %> consumer failed ORDERS billing --dead failed.ndjson',
    },
  ]
  static override args = {
    stream: argument({description: 'name of the stream; with --record neither name is needed'}),
    consumer: argument({description: 'name of the consumer'}),
  }
  static override flags = failedFlags

  async run(): Promise<unknown> {
    const {args, flags} = await this.parse(ConsumerFailed)
    const {stream, consumer} = args
    checkFailedFlags(flags)
    if (flags.exec || flags['exec-lines']) checkProgram(this.program, process.env['PATH'] ?? '')
    if (flags.record && stream === undefined) return await this.#recordAll()
    if (stream === undefined || consumer === undefined)
      throw new BusError('usage', 'the name of the stream or of the consumer is missing', {
        try: ['bus consumer ls', 'bus consumer failed STREAM CONSUMER'],
      })
    await using bus = await this.openBus({stream: true, writes: flags.retry === true || flags.record === true})
    const info = await bus.streams.consumers.info(stream, consumer)
    if (flags.record) await this.#record(bus)
    const {failedList} = await import('../../lib/messaging/stored/failed.ts')
    const list = await failedList(bus, info)
    this.#sayUnrecorded(list, info)
    if (flags.retry) return await this.#retry(bus, list, {...flags, stream})
    await using _list = list
    return await this.#show(list, flags, info)
  }

  async #recordAll(): Promise<object> {
    await using bus = await this.openBus({writes: true})
    return {recorder: await this.#record(bus)}
  }

  /** Returns the name of the stream with the advisories, or undefined if the bus has lists of its own. */
  async #record(bus: Transport): Promise<string | undefined> {
    const {recordFailures} = await import('../../lib/messaging/stored/failed.ts')
    const name = (await recordFailures(bus))?.config.name
    const text =
      name === undefined
        ? 'nothing to do: a bus file has a list of failed messages for each consumer'
        : `stream ${name} records the failed messages of all consumers`
    if (!this.jsonEnabled()) this.say(text)
    return name
  }

  /** What a server published before the stream of the advisories existed is not known. */
  #sayUnrecorded({recorder}: FailedList, {created}: ConsumerInfo): void {
    if (recorder !== undefined && recorder.created > created)
      this.say(`recorded since ${formatMoment(recorder.created)}: cannot tell what failed before`)
  }

  async #show(list: FailedList, {count = Infinity, all, json, dead}: Flags, info: ConsumerInfo): Promise<undefined> {
    using file = await recordFile(dead)
    const rows: string[][] = []
    let found = 0
    let gone = 0
    for (let page = await list.next(); page.length > 0 && found < count; page = await list.next()) {
      if (this.stop.aborted) throw new BusError('interrupted', 'interrupted before the end of the list')
      for (const failed of page.slice(0, count - found)) {
        found++
        if (failed.message === undefined) gone++
        else file?.record([failed.message])
        if (json) this.output.write(`${JSON.stringify(failedDocument(failed))}\n`)
        else if (file === undefined && rows.length < mostRows) rows.push(failedRow(failed))
      }
      await this.output.ready()
    }
    if (rows.length > 0) await this.printTable(failedColumns, rows, all)
    if (found > mostRows && rows.length > 0) this.say(`the first ${formatCount(mostRows)} of ${formatCount(found)}`)
    if (file !== undefined)
      this.say(`${formatCount(found - gone)} written${gone > 0 ? ` · ${formatCount(gone)} gone` : ''}`)
    else if (found === 0) this.say(`no failed messages of consumer ${info.config.name} of ${info.stream}`)
    return undefined
  }

  async #retry(bus: Transport, list: FailedList, flags: Flags & {readonly stream: string}): Promise<unknown> {
    const {retryFailed} = await import('./failed-retry.ts')
    await using target =
      flags.into === undefined ? undefined : await this.openBus({stream: true, writes: true, bus: flags.into})
    const retried = await retryFailed(list, flags, {
      ...{bus, target, argv: this.program, output: this.output, stop: this.stop},
      paint: (fd) => this.paint(fd),
      say: (line) => this.say(line),
      confirm: (question) => confirm(question, {yes: flags.yes === true, signal: this.stop}),
      giveUp: laterSignal(this.stop, lostWaitMs.interrupted),
      quit: () => {},
      userAgent: `busline/${this.version}`,
    })
    return this.#sumUp(retried, flags)
  }

  #sumUp(
    {done: {complete, handled, alreadyThere, read, ms, unhandled}, gone, shows}: Retried,
    {stream, json}: Flags & {readonly stream: string},
  ): unknown {
    const left = read - handled - alreadyThere
    for (const {subject, seq, reason} of unhandled) this.say(`not handled: ${seq ?? ''} ${subject}: ${reason}`)
    const counts = {handled: handled + alreadyThere, ...(left > 0 && {'still failed': left}), ...(gone > 0 && {gone})}
    this.say(summaryLine(counts, ms))
    const data = {stream, read, handled: handled + alreadyThere, left, gone, ms}
    if (left + gone > 0)
      throw new BusError('remote', `${counted(left + gone, 'message')} stayed on the list`, {
        data,
        try: gone > 0 ? ['bus consumer failed --help'] : [],
      })
    if (!complete && !shows) throw new BusError('interrupted', 'interrupted before the end of the list', {data})
    return json && !shows ? data : undefined
  }
}

async function recordFile(path: string | undefined) {
  if (path === undefined) return undefined
  const {openRecordFile} = await import('../../lib/cli/io/record-file.ts')
  return openRecordFile(path)
}
