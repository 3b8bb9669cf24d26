/** A report: a sorted table of what there is now, once or, with `--watch`, again and again with rates. */

import {sleep} from '../../core/time/timer.ts'
import {unreachableError} from '../../transport/shared/stream-errors.ts'
import {variant} from '../flags/kinds.ts'
import {tableFlags, watchFlags} from '../flags/table.ts'
import {watchTable} from '../render/redraw.ts'
import type {Column} from '../render/table.ts'
import {BusCommand} from './command.ts'

export const reportFlags = {
  all: tableFlags.all,
  ...watchFlags,
  every: variant(watchFlags.every, {description: 'interval of --watch and --sort growth (default: 1s)', dependsOn: []}),
}

const usualEveryMs = 1000

/** What the bus reports at one time. */
export interface ReportReading<Row> {
  readonly rows: readonly Row[]
  /** Names of streams whose servers do not answer. */
  readonly unreachable: readonly string[]
}

/** How one kind of row is read, sorted and shown. */
export interface ReportSource<Row> {
  read(): Promise<ReportReading<Row>>
  /** The same row of an earlier reading has the same key. */
  key(row: Row): string
  /** A row with what changed per second since the earlier reading. */
  since(row: Row, before: Row, seconds: number): Row
  compare(one: Row, other: Row): number
  readonly columns: (hasRates: boolean) => readonly Column[]
  readonly cells: (row: Row, hasRates: boolean) => readonly string[]
  readonly none: string
}

interface Flags {
  readonly all?: boolean | undefined
  readonly watch?: boolean | undefined
  readonly every?: number | undefined
  readonly for?: number | undefined
}

export abstract class ReportCommand<Row extends object> extends BusCommand<readonly Row[] | undefined> {
  /** Shows a report; `needsRates` if it is sorted by a rate, so that two readings are needed. */
  protected async report(
    report: ReportSource<Row>,
    flags: Flags,
    {url, needsRates}: {readonly url: string; readonly needsRates: boolean},
  ): Promise<readonly Row[] | undefined> {
    const {every: everyMs = usualEveryMs, watch, all} = flags
    const readings = new Readings(report)
    if (watch) {
      const read = async () => (await readings.next()).rows
      const cells = (row: Row) => [report.cells(row, true)]
      const view = {json: this.jsonEnabled(), paint: await this.paint(1), output: this.output, signal: this.stop}
      await watchTable({columns: report.columns(true), read, cells}, {...flags, ...view})
      return undefined
    }
    let reading = await readings.next()
    if (needsRates) {
      await sleep(everyMs, this.stop)
      reading = await readings.next()
    }
    const {rows, unreachable} = reading
    if (rows.length === 0 && unreachable.length === 0) this.say(report.none)
    if (rows.length > 0 && !this.jsonEnabled()) {
      const cells = rows.map((row) => report.cells(row, needsRates))
      await this.printTable(report.columns(needsRates), cells, all)
    }
    if (unreachable.length === 0) return rows
    if (this.jsonEnabled()) this.logJson(rows)
    throw unreachableError(url, unreachable)
  }
}

/** Consecutive readings, each with the changes since the one before it. */
class Readings<Row> {
  readonly #report: ReportSource<Row>
  #before = new Map<string, Row>()
  #at = 0

  constructor(report: ReportSource<Row>) {
    this.#report = report
  }

  async next(): Promise<ReportReading<Row>> {
    const {key, since, compare, read} = this.#report
    const {rows: found, unreachable} = await read()
    const now = performance.now()
    const seconds = (now - this.#at) / 1000
    const rows = found.map((row) => {
      const before = this.#before.get(key(row))
      return before === undefined ? row : since(row, before, seconds)
    })
    this.#before = new Map(found.map((row) => [key(row), row]))
    this.#at = now
    return {rows: rows.toSorted(compare), unreachable}
  }
}
