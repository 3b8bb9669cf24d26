/** A durable consumer as stored in the file. */
import {BusError} from '../../../core/errors.ts'
import {maxDeliverReason} from '../../shared/advisories.ts'
import {noConsumer} from '../../shared/stream-errors.ts'
import type {ConsumerConfig} from '../../streams-contract.ts'
import {type Db, damageError} from '../db.ts'
import {isTime, isWhole} from '../rows.ts'
import {storedConfigText, storedConsumer} from '../stored-json.ts'
import type {KeptStream} from './catalogue.ts'

export interface Durable {
  readonly id: number
  /** As of the last time that its place was read. */
  config: ConsumerConfig
  /** Unix milliseconds. */
  pausedUntil: number | undefined
  /** The configuration as it is stored. */
  text: string
  readonly created: number
}

/** Its position; times in milliseconds. */
export interface ConsumerPlace {
  /** Changes when it is moved: earlier deliveries no longer count. */
  readonly epoch: number
  /** Everything before this sequence was delivered, or is in flight. */
  readonly next: number
  /** How many of all messages ever stored in the stream came before `next`. */
  readonly passed: number
  /** The last delivered sequence. */
  readonly delivered: number
  readonly active: number | null
}

export class Durables {
  readonly #db: Db
  readonly #statements

  constructor(db: Db) {
    this.#db = db
    this.#statements = {
      find: db.prepare('SELECT id, config, created FROM consumer WHERE stream = ? AND name = ?'),
      list: db.prepare('SELECT id, config, created FROM consumer WHERE stream = ? ORDER BY name'),
      count: db.prepare('SELECT count(*) FROM consumer WHERE stream = ?').pluck(),
      place: db.prepare('SELECT epoch, next, passed, delivered, active, config FROM consumer WHERE id = ?'),
      move: db.prepare('UPDATE consumer SET next = ?, passed = ?, delivered = ?, active = ? WHERE id = ?'),
      active: db.prepare('UPDATE consumer SET active = ? WHERE id = ?'),
    }
  }

  find(stream: KeptStream, name: string): Durable | undefined {
    const row = this.#statements.find.get(stream.id, name) as Row | undefined
    return row === undefined ? undefined : fromRow(row)
  }

  /** Fails with `notFound`. */
  get(stream: KeptStream, name: string): Durable {
    const durable = this.find(stream, name)
    if (durable !== undefined) return durable
    throw noConsumer(stream.url, stream.config.name, name)
  }

  /** Sorted by name. */
  list(stream: KeptStream): Durable[] {
    return (this.#statements.list.all(stream.id) as Row[]).map(fromRow)
  }

  count(stream: KeptStream): number {
    return this.#statements.count.get(stream.id) as number
  }

  /** Within a write transaction. */
  add(stream: KeptStream, config: ConsumerConfig): Durable {
    this.#db
      .prepare(
        `INSERT INTO consumer(stream, name, config, created, epoch, next, passed, delivered)
         VALUES (?, ?, ?, ?, 0, 0, 0, 0)`,
      )
      .run(stream.id, config.name, storedConfigText(config), Date.now())
    return this.get(stream, config.name)
  }

  /** Within a write transaction. */
  remove({id}: Durable): void {
    this.#db.prepare('DELETE FROM consumer WHERE id = ?').run(id)
    this.#db.prepare('DELETE FROM flight WHERE consumer = ?').run(id)
    this.#db.prepare('DELETE FROM dead WHERE consumer = ?').run(id)
  }

  /** Fails with `notFound` if it was removed. */
  place(durable: Durable): ConsumerPlace {
    const place = this.#statements.place.get(durable.id) as (ConsumerPlace & {readonly config: string}) | undefined
    if (place === undefined) {
      throw new BusError('notFound', `the consumer ${JSON.stringify(durable.config.name)} was removed`)
    }
    const {epoch, next, passed, delivered, active} = place
    if (![epoch, next, passed, delivered, active ?? 0].every(isWhole)) throw damageError('the position of a consumer')
    if (place.config !== durable.text) Object.assign(durable, configOf(place.config))
    return place
  }

  /** Within a write transaction: gives the consumer another configuration. */
  change(durable: Durable, config: ConsumerConfig, pausedUntil: number | undefined): void {
    const text = storedConfigText({...config, ...(pausedUntil !== undefined && {pausedUntil})})
    this.#db.prepare('UPDATE consumer SET config = ? WHERE id = ?').run(text, durable.id)
    Object.assign(durable, configOf(text))
  }

  /** Within a write transaction. */
  move(durable: Durable, {next, passed, delivered, active}: Omit<ConsumerPlace, 'epoch'>): void {
    this.#statements.move.run(next, passed, delivered, active, durable.id)
  }

  /** Within a write transaction. */
  touch(durable: Durable, now: number): void {
    this.#statements.active.run(now, durable.id)
  }

  /** Within a write transaction: as if it had just been created. */
  restart(durable: Durable): void {
    this.#db.prepare('UPDATE consumer SET epoch = epoch + 1, active = NULL WHERE id = ?').run(durable.id)
    const before = "UPDATE dead SET reason = reason || ', before it was moved' WHERE consumer = ? AND reason = ?"
    this.#db.prepare(before).run(durable.id, maxDeliverReason)
  }
}

interface Row {
  readonly id: number
  readonly config: string
  readonly created: number
}

function fromRow({id, config, created}: Row): Durable {
  if (!isTime(created)) throw damageError('the time of a consumer')
  return {id, created, ...configOf(config)}
}

function configOf(text: string): Pick<Durable, 'text' | 'config' | 'pausedUntil'> {
  const {pausedUntil, ...config} = storedConsumer(text)
  return {text, config, pausedUntil}
}
