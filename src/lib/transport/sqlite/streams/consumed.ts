/**
 * Removes messages that no consumer needs any more: from a work queue those that their consumer has acknowledged or terminated, with
 * retention interest those that every consumer with a matching filter has acknowledged or terminated. A consumer needs messages that
 * are pending, in flight, or at its limit of deliveries. A removal is part of the write transaction that causes it, so a process
 * that is killed has removed a message if and only if it has acknowledged it.
 */
import {matches} from '../../../core/subject.ts'
import {maxDeliverReason} from '../../shared/advisories.ts'
import type {Db} from '../db.ts'
import type {Log} from '../log.ts'
import type {SizedRow} from '../rows.ts'
import type {Catalogue, KeptStream} from './catalogue.ts'
import type {Durable, Durables} from './durable.ts'
import type {Limits} from './limits.ts'
import type {StreamView, StreamViews} from './view.ts'

/** Messages that are examined in one transaction. */
const step = 5000

export interface ConsumedDeps {
  readonly db: Db
  readonly log: Log
  readonly catalogue: Catalogue
  readonly limits: Limits
  readonly durables: Durables
  readonly views: StreamViews
}

/** Whether a consumer needs a message; `sid` is the number of its subject. */
type Need = (seq: number, sid: number) => boolean

export class ConsumedMessages {
  readonly #deps: ConsumedDeps
  #prepared: ReturnType<typeof prepare> | undefined

  constructor(deps: ConsumedDeps) {
    this.#deps = deps
  }

  get #statements() {
    this.#prepared ??= prepare(this.#deps.db)
    return this.#prepared
  }

  /** The stream as it is now, if acknowledged messages are removed from it. */
  of({id, config}: KeptStream): KeptStream | undefined {
    const {catalogue} = this.#deps
    const stream = catalogue.now(config.name)
    return stream?.id === id && stream.config.retention !== 'limits' ? stream : undefined
  }

  /** The consumer is done with its messages from one sequence to another, inclusive. `view` has them. */
  handled(stream: KeptStream, durable: Durable, view: StreamView, [lo, hi]: readonly [lo: number, hi: number]): void {
    const {catalogue, limits} = this.#deps
    const rows = view.sized(catalogue.state(stream), lo, hi, Number.MAX_SAFE_INTEGER)
    limits.leave(
      stream,
      stream.config.retention === 'workqueue' ? rows : this.#without(rows, this.#needs(stream, durable)),
    )
  }

  /** With retention interest, removes messages that no consumer needs: one step, from a sequence on. Returns where the next step begins. */
  sweep({id, config}: KeptStream, from = 0): number | undefined {
    const {catalogue, limits, views} = this.#deps
    const stream = catalogue.now(config.name)
    if (stream?.id !== id || stream.config.retention !== 'interest') return undefined
    const state = catalogue.state(stream)
    const rows = views.of(stream).sized(state, from, state.last, step)
    limits.leave(stream, this.#without(rows, this.#needs(stream)))
    return rows.length < step ? undefined : (rows.at(-1)?.[0] ?? 0) + 1
  }

  #without(rows: readonly SizedRow[], isNeeded: Need): readonly SizedRow[] {
    return rows.filter(([seq, sid]) => !isNeeded(seq, sid))
  }

  /** What the consumers of the stream need, except one of them. */
  #needs(stream: KeptStream, except?: Durable): Need {
    const {durables} = this.#deps
    const others = durables.list(stream).filter(({id}) => id !== except?.id)
    const needs = others.map((other) => this.#needOf(other))
    return (seq, sid) => needs.some((isNeeded) => isNeeded(seq, sid))
  }

  #needOf(durable: Durable): Need {
    const {durables, log} = this.#deps
    const {flight, dead} = this.#statements
    const {next} = durables.place(durable)
    const {id, config} = durable
    const known = new Map<number, boolean>()
    const wants = (sid: number) => {
      let isWanted = known.get(sid)
      if (isWanted === undefined) {
        const name = log.nameOf(sid)
        isWanted = config.filters.length === 0 || config.filters.some((filter) => matches(filter, name))
        known.set(sid, isWanted)
      }
      return isWanted
    }
    return (seq, sid) => {
      if (!wants(sid)) return false
      if (seq >= next) return true
      const hi = flight.get(id, seq) as number | undefined
      return (hi !== undefined && hi >= seq) || dead.get(id, seq) === 1
    }
  }
}

function prepare(db: Db) {
  return {
    flight: db.prepare('SELECT hi FROM flight WHERE consumer = +? AND lo <= +? ORDER BY lo DESC LIMIT 1').pluck(),
    dead: db.prepare(`SELECT 1 FROM dead WHERE consumer = ? AND seq = ? AND reason = '${maxDeliverReason}'`).pluck(),
  }
}
