/** Claims messages for a member, within its write transaction: those due for redelivery, otherwise the next ones. */
import {ackWaitOf} from '../../shared/stream-settings.ts'
import type {Clients} from '../clients.ts'
import type {Row} from '../rows.ts'
import type {Backlog} from './backlog.ts'
import type {Catalogue, KeptStream, State} from './catalogue.ts'
import type {ConsumedMessages} from './consumed.ts'
import type {ConsumerPlace, Durable, Durables} from './durable.ts'
import type {InFlight} from './in-flight.ts'
import type {StreamView} from './view.ts'

export interface ClaimedRows {
  readonly rows: readonly Row<number>[]
  readonly tries: number
  /** The previous and the current position of the consumer; absent for redeliveries. */
  readonly moved?: {readonly before: ConsumerPlace; readonly next: number}
}

/** The rows read before the lock was taken, starting at the consumer's position at that time. */
interface LookedAt {
  readonly rows: readonly Row<number>[]
  readonly upTo: number
  readonly from: number
}

export interface ClaimsDeps {
  readonly clients: Clients
  readonly catalogue: Catalogue
  readonly durables: Durables
  readonly stream: KeptStream
  readonly durable: Durable
  readonly view: StreamView
  readonly inFlight: InFlight
  readonly consumed: ConsumedMessages
}

export class Claims {
  readonly #deps: ClaimsDeps
  readonly #backlog: Backlog

  constructor(deps: ClaimsDeps, backlog: Backlog) {
    this.#deps = deps
    this.#backlog = backlog
  }

  /** Claims at most `want` messages. */
  take(want: number, page: LookedAt, now: number): readonly ClaimedRows[] {
    const {catalogue, durables, stream, durable, view, inFlight} = this.#deps
    const state = catalogue.state(stream)
    const place = durables.place(durable)
    if ((durable.pausedUntil ?? 0) > now) return []
    const claims: ClaimedRows[] = []
    let left = want
    let room = durable.config.ack === 'none' ? Infinity : (durable.config.maxAckPending ?? Infinity) - inFlight.out()
    for (const range of inFlight.due(now, want)) {
      const most = range.tries === 0 ? Math.min(left, room) : left
      if (most <= 0) continue
      const claimed = inFlight.reclaim(state, range, most, now)
      left -= claimed.rows.length
      if (range.tries === 0) room -= claimed.rows.length
      if (claimed.rows.length > 0) claims.push(claimed)
    }
    if (claims.length > 0) durables.touch(durable, now)
    if (left < want || room <= 0) return claims
    const next = place.next === page.from ? page : view.page(state, place.next, state.last, left)
    const moved = this.#advance({state, place, now}, next, Math.min(left, room))
    return moved === undefined ? claims : [...claims, moved]
  }

  /** Without acknowledgements, a message is handled when it is delivered. */
  #delivered(lo: number, hi: number): void {
    const {consumed, stream, durable, view} = this.#deps
    const removing = consumed.of(stream)
    if (removing !== undefined) consumed.handled(removing, durable, view, [lo, hi])
  }

  /** Takes the next messages, at most `most` of those in the page. */
  #advance(
    {state, place, now}: {readonly state: State; readonly place: ConsumerPlace; readonly now: number},
    {rows: found, upTo}: Omit<LookedAt, 'from'>,
    most: number,
  ): ClaimedRows | undefined {
    const rows = found.length > most ? found.slice(0, most) : found
    const [lo, hi] = [rows[0]?.[0], rows.at(-1)?.[0]]
    if (lo === undefined || hi === undefined) return undefined
    const {durables, durable, inFlight, clients} = this.#deps
    const next = rows.length === found.length ? upTo + 1 : hi + 1
    const passed = Math.max(place.passed, state.stored - state.messages) + rows.length
    durables.move(durable, {next, passed, delivered: hi, active: now})
    if (durable.config.ack !== 'none') {
      const due = now + ackWaitOf(durable.config, 1)
      inFlight.add({lo, hi, messages: rows.length, tries: 1, owner: clients.id, due})
    }
    this.#backlog.took(rows.length, next)
    if (durable.config.ack === 'none') this.#delivered(lo, hi)
    return {rows, tries: 1, moved: {before: place, next}}
  }
}
