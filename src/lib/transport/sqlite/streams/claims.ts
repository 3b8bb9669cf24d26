/** Claiming messages for a member, within its write transaction: what is due to come again, else what comes next. */
import type {Clients} from '../clients.ts'
import type {Row} from '../rows.ts'
import type {Backlog} from './backlog.ts'
import type {Catalogue, Kept, State} from './catalogue.ts'
import type {Durable, Durables, Place} from './durable.ts'
import {type Flights, waitOf} from './in-flight.ts'
import type {View} from './view.ts'

export interface Claim {
  readonly rows: readonly Row<number>[]
  readonly tries: number
  /** Where the consumer was before, and is now; absent for what is delivered again. */
  readonly moved?: {readonly before: Place; readonly next: number}
}

/** What was read before the lock was taken, from the place where the consumer was then. */
interface Page {
  readonly rows: readonly Row<number>[]
  readonly upTo: number
  readonly from: number
}

interface ClaimsParts {
  readonly clients: Clients
  readonly catalogue: Catalogue
  readonly durables: Durables
  readonly flights: Flights
}

export class Claims {
  readonly #parts: ClaimsParts
  readonly #kept: Kept
  readonly #durable: Durable
  readonly #view: View
  readonly #backlog: Backlog

  constructor(parts: ClaimsParts, kept: Kept, durable: Durable, view: View, backlog: Backlog) {
    this.#parts = parts
    this.#kept = kept
    this.#durable = durable
    this.#view = view
    this.#backlog = backlog
  }

  /** Claims `want` messages at the most. */
  take(want: number, page: Page, now: number): readonly Claim[] {
    const {catalogue, durables, flights} = this.#parts
    const {id, config} = this.#durable
    const state = catalogue.state(this.#kept)
    const place = durables.place(this.#durable)
    const claims: Claim[] = []
    let left = want
    let room = config.ack === 'none' ? Infinity : config.maxAckPending - flights.out(id)
    for (const flight of flights.due(this.#durable, now, want)) {
      const most = flight.tries === 0 ? Math.min(left, room) : left
      if (most <= 0) continue
      const claimed = flights.reclaim(this.#durable, this.#view, state, flight, most, now)
      left -= claimed.rows.length
      if (flight.tries === 0) room -= claimed.rows.length
      if (claimed.rows.length > 0) claims.push(claimed)
    }
    if (claims.length > 0) durables.touch(this.#durable, now)
    if (left < want || room <= 0) return claims
    const next = place.next === page.from ? page : this.#view.page(state, place.next, state.last, left)
    const moved = this.#advance(state, place, next, Math.min(left, room), now)
    return moved === undefined ? claims : [...claims, moved]
  }

  /** Takes the next messages, `most` of those in the page. */
  #advance(
    state: State,
    place: Place,
    {rows: found, upTo}: Omit<Page, 'from'>,
    most: number,
    now: number,
  ): Claim | undefined {
    const rows = found.length > most ? found.slice(0, most) : found
    const [lo, hi] = [rows[0]?.[0], rows.at(-1)?.[0]]
    if (lo === undefined || hi === undefined) return undefined
    const {durables, flights, clients} = this.#parts
    const next = rows.length === found.length ? upTo + 1 : hi + 1
    const passed = Math.max(place.passed, state.stored - state.messages) + rows.length
    durables.move(this.#durable, {next, passed, delivered: hi, active: now})
    if (this.#durable.config.ack !== 'none') {
      const due = now + waitOf(this.#durable, 1)
      flights.add(this.#durable.id, {lo, hi, messages: rows.length, tries: 1, owner: clients.id, due})
    }
    this.#backlog.took(rows.length, next)
    return {rows, tries: 1, moved: {before: place, next}}
  }
}
