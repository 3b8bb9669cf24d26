/**
 * Which messages of a source a target has, without reading the whole target. Each copy carries what its sender knew: ranges
 * of the source's sequences of which everything is copied, and from where in the target on all other copies are found
 * (`Bus-Copied: 1-300,450-500;since=17`). A later run finds the last copy and reads the target from there. So nothing is
 * taken for copied that is not in the target, whatever the order in which copies were stored. A run with filters adds
 * ranges that hold for these filters only, and from where on a run with the same filters finds all other copies
 * (`1-300;since=17;filter=HASH:301-900;from=580`).
 */
import {hash} from 'node:crypto'
import {headerOf, type Message} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'
import type {Start, StreamState} from '../../transport/streams-contract.ts'

/** Where a copy came from. They travel with it. */
export const copyHeaders = {
  stream: 'Bus-Stream',
  /** The stream's id, in short. */
  source: 'Bus-Source',
  seq: 'Bus-Sequence',
  time: 'Bus-Time',
  /** A stream that it was copied through before that: `SOURCE/SEQUENCE/TIME`. */
  via: 'Bus-Via',
  msgId: 'Bus-Msg-Id',
  copied: 'Bus-Copied',
} as const

/** Ranges that a copy names at most; what does not fit is found by reading. */
const mostRanges = 8
/** How many of a target's last messages are looked through for a copy, to begin with. */
const lookBack = 1000
const pageSize = 512

interface CopiedRange {
  lo: number
  hi: number
  /** The lowest place in the target of a copy in it. */
  at: number
}

type NamedRanges = readonly (readonly [lo: number, hi: number])[]

/** What a copy says in `Bus-Copied`. */
interface Claim {
  readonly ranges: NamedRanges
  /** All other copies of sequences above `floor` are in the target from here on. */
  readonly since: number
  /** What a consumer never delivers again. */
  readonly floor: number
  /** Of these ranges everything is copied that matches the filters; all other copies of it are there from `since` on. */
  readonly filtered?: {readonly filter: string; readonly ranges: NamedRanges; readonly since: number} | undefined
}

/** A copy that was found in the target. */
export interface FoundCopy {
  readonly seq: number
  readonly time: string | undefined
}

/** Ranges of sequences, in order and apart. */
class CopiedRanges {
  readonly #ranges: CopiedRange[] = []

  get last(): number {
    return this.#ranges.at(-1)?.hi ?? 0
  }

  /** The lowest place of all of them. */
  get at(): number {
    return this.#ranges.reduce((least, {at}) => Math.min(least, at), Number.POSITIVE_INFINITY)
  }

  /** The range that has it. */
  find(seq: number): CopiedRange | undefined {
    const range = this.#ranges[this.#at(seq)]
    return range !== undefined && range.lo <= seq ? range : undefined
  }

  add(range: CopiedRange): void {
    const first = this.#at(range.lo - 1)
    let next = first
    for (; next < this.#ranges.length; next++) {
      const other = this.#ranges[next]
      if (other === undefined || other.lo > range.hi + 1) break
      range.lo = Math.min(range.lo, other.lo)
      range.hi = Math.max(range.hi, other.hi)
      range.at = Math.min(range.at, other.at)
    }
    this.#ranges.splice(first, next - first, range)
  }

  /** The longest ranges as a copy names them, and the lowest place of the others. */
  named(): {readonly text: string; readonly rest: number} {
    const named = [...this.#ranges].sort((a, b) => b.hi - b.lo - (a.hi - a.lo)).slice(0, mostRanges)
    let rest = Number.POSITIVE_INFINITY
    for (const range of this.#ranges) if (!named.includes(range)) rest = Math.min(rest, range.at)
    const texts = named.sort((a, b) => a.lo - b.lo).map(({lo, hi}) => `${lo}-${hi}`)
    return {text: texts.join(','), rest}
  }

  /** The first range that does not end before `seq`. */
  #at(seq: number): number {
    let [low, high] = [0, this.#ranges.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#ranges[middle]?.hi ?? 0) < seq) low = middle + 1
      else high = middle
    }
    return low
  }
}

export class CopyPosition {
  readonly #ranges = new CopiedRanges()
  /** Ranges of which everything is copied that matches the filters of this run. */
  readonly #filtered = new CopiedRanges()
  /** What these filters are, in short; empty without any. */
  readonly #filter: string
  /** Copies beside the ranges: sequence in the source, place in the target. */
  readonly #points = new Map<number, number>()
  #floor = 0
  /** All that the target has up to here is known. */
  #knownTo = 0
  /** Our own copies beyond that. */
  #own: number[] = []

  constructor(filters: readonly string[] = []) {
    this.#filter = filters.length === 0 ? '' : hash('sha256', JSON.stringify([...filters].sort()), 'hex').slice(0, 12)
  }

  /** The highest sequence that is copied; 0 for none. */
  get last(): number {
    let last = Math.max(this.#ranges.last, this.#filtered.last)
    for (const seq of this.#points.keys()) last = Math.max(last, seq)
    return last
  }

  has(seq: number): boolean {
    return this.#points.has(seq) || this.#rangeOf(seq) !== undefined
  }

  /** Our own copy was stored at `at`. */
  sent(seq: number, at: number): void {
    this.found(seq, at)
    if (at > this.#knownTo) this.#own.push(at)
  }

  /** The target has a copy at `at`. */
  found(seq: number, at: number): void {
    const range = this.#rangeOf(seq)
    if (range !== undefined) range.at = Math.min(range.at, at)
    else if (seq > this.#floor) this.#points.set(seq, at)
  }

  /** `seq` is copied, and the source has nothing between `after` and it that is to be copied. */
  joined(after: number, seq: number): void {
    const at = this.#points.get(seq)
    const ranges = this.#filter === '' ? this.#ranges : this.#filtered
    if (at !== undefined) ranges.add({lo: after + 1, hi: seq, at})
    this.#points.delete(seq)
  }

  /** A consumer never delivers anything up to here again. */
  raiseFloor(floor: number): void {
    if (floor <= this.#floor) return
    this.#floor = floor
    for (const seq of this.#points.keys()) if (seq <= floor) this.#points.delete(seq)
  }

  /** All that is in the target up to here is known. */
  knowTo(at: number): void {
    this.#knownTo = Math.max(this.#knownTo, at)
    this.#own = this.#own.filter((own) => own > this.#knownTo)
  }

  /** What of the target up to `last` others may have written; undefined when our own copies leave no room for that. */
  unknown(last: number): {readonly from: number; readonly to: number} | undefined {
    const own = this.#own.filter((at) => at <= last).length
    if (last - this.#knownTo > own) return {from: this.#knownTo + 1, to: last}
    this.knowTo(last)
    return undefined
  }

  /** What the next copies say of all this. */
  claim(): string {
    const all = this.#ranges.named()
    const filtered = this.#filtered.named()
    let others = this.#knownTo + 1
    for (const at of this.#points.values()) others = Math.min(others, at)
    const since = Math.min(others, all.rest, this.#filtered.at)
    const whole = `${all.text};since=${since}${this.#floor > 0 ? `;floor=${this.#floor}` : ''}`
    if (this.#filter === '') return whole
    return `${whole};filter=${this.#filter}:${filtered.text};from=${Math.min(others, all.rest, filtered.rest)}`
  }

  /** Adds the ranges that a copy names. */
  believe({ranges, since, filtered}: Claim): void {
    for (const [lo, hi] of ranges) this.#ranges.add({lo, hi, at: 0})
    if (filtered?.filter !== this.#filter) return
    for (const [lo, hi] of filtered.ranges) this.#filtered.add({lo, hi, at: since})
  }

  /** From where in the target on this run finds all copies that a claim does not name. */
  start({since, floor, filtered}: Claim): number {
    if (floor > this.#floor) return 1
    return Math.max(1, filtered?.filter === this.#filter ? filtered.since : since)
  }

  #rangeOf(seq: number): CopiedRange | undefined {
    return this.#ranges.find(seq) ?? this.#filtered.find(seq)
  }
}

/** The copies of one source in a stream of the target. */
export class TargetCopies {
  readonly position: CopyPosition
  readonly #target: Transport
  readonly #stream: string
  readonly #source: string
  #lastText = ''
  /** When the target was last asked how far it is, by both clocks. */
  #asked: readonly [number, number] = [0, 0]

  constructor(target: Transport, stream: string, source: string, filters?: readonly string[]) {
    this.#target = target
    this.#stream = stream
    this.#source = source
    this.position = new CopyPosition(filters)
  }

  /** How long ago that was which is known of the target. A computer that sleeps stops one of the clocks. */
  get ageMs(): number {
    return Math.max(performance.now() - this.#asked[0], Date.now() - this.#asked[1])
  }

  /**
   * Finds what is there of all that is above `floor`. Answers the copies that say most of how far it got, none when there
   * are no copies of the source.
   */
  async find(floor: number): Promise<readonly FoundCopy[]> {
    const {messages, lastSeq} = await this.#state()
    this.position.raiseFloor(floor)
    const last = messages === 0 ? undefined : await this.#lastCopy(messages)
    const found: FoundCopy[] = []
    if (last !== undefined) {
      this.position.believe(last.claim)
      let highest: FoundCopy | undefined
      await this.#read({seq: this.position.start(last.claim)}, undefined, (copy) => {
        if (copy.seq > (highest?.seq ?? 0)) highest = copy
      })
      found.push(last, ...(highest === undefined ? [] : [highest]))
    }
    this.position.knowTo(lastSeq)
    return found
  }

  /** Reads what others may have written meanwhile. */
  async catchUp(): Promise<void> {
    const {lastSeq} = await this.#state()
    const unknown = this.position.unknown(lastSeq)
    if (unknown === undefined) return
    await this.#read({seq: unknown.from}, unknown.to, () => {})
    this.position.knowTo(unknown.to)
  }

  async #state(): Promise<StreamState> {
    const now: readonly [number, number] = [performance.now(), Date.now()]
    const {state} = await this.#target.streams.info(this.#stream)
    this.#asked = now
    return state
  }

  /** Looks back further and further, as others may publish into the target too. */
  async #lastCopy(messages: number): Promise<(FoundCopy & {readonly claim: Claim}) | undefined> {
    for (let count = lookBack; ; count *= 10) {
      let last: (FoundCopy & {readonly claim: Claim}) | undefined
      await this.#scan({last: count}, undefined, (copy) => {
        last = copy
      })
      if (last !== undefined || count >= messages) return last
    }
  }

  async #read(from: Start, to: number | undefined, onCopy: (copy: FoundCopy) => void): Promise<void> {
    await this.#scan(from, to, ({claim, at, text, ...copy}) => {
      this.position.found(copy.seq, at)
      if (text !== this.#lastText) this.position.believe(claim)
      this.#lastText = text
      onCopy(copy)
    })
  }

  async #scan(
    from: Start,
    to: number | undefined,
    onCopy: (copy: FoundCopy & {readonly at: number; readonly claim: Claim; readonly text: string}) => void,
  ): Promise<void> {
    const range = to === undefined ? {from} : {from, to: {seq: to}}
    await using reading = await this.#target.streams.read(this.#stream, range)
    for (let taken = await reading.take(pageSize); taken.length > 0; taken = await reading.take(pageSize)) {
      for (const message of taken) {
        const seq = sequenceOf(message, this.#source)
        if (seq === undefined) continue
        const text = headerOf(message.headers, copyHeaders.copied) ?? ''
        onCopy({seq, time: message.header(copyHeaders.time), at: message.seq ?? 0, claim: parseClaim(text), text})
      }
    }
  }
}

/** A message's place in a stream that it was copied from. */
export interface CopiedFrom extends FoundCopy {
  readonly source: string
}

/** The streams that a message was copied from, the one that it came from directly last, each once. */
export function copiedFrom(message: Message): readonly CopiedFrom[] {
  const {headers} = message
  const source = headers.length === 0 ? undefined : headerOf(headers, copyHeaders.source)
  const seq = source === undefined ? undefined : sequenceOf(message, source)
  if (source === undefined || seq === undefined) return []
  const places = new Map<string, CopiedFrom>()
  for (const [name, value] of headers) {
    const [, of = '', at, time] = (name.toLowerCase() === via && /^([^/]+)\/(\d+)\/(.+)$/.exec(value)) || []
    if (at !== undefined) places.set(of, {source: of, seq: Number(at), time})
  }
  places.delete(source)
  places.set(source, {source, seq, time: headerOf(headers, copyHeaders.time)})
  return [...places.values()]
}

const via = copyHeaders.via.toLowerCase()

/** The sequence in the source of which a message is a copy; undefined for any other message. */
export function sequenceOf({headers}: Message, source: string): number | undefined {
  if (headers.length === 0 || headerOf(headers, copyHeaders.source) !== source) return undefined
  const seq = Number(headerOf(headers, copyHeaders.seq))
  return Number.isSafeInteger(seq) && seq > 0 ? seq : undefined
}

/** One that says nothing that can be read claims nothing, so that all of the target is looked through. */
function parseClaim(text: string): Claim {
  const [, ranges, since = '1', floor = '0', filter, filtered, from = '1'] = claimForm.exec(text) ?? []
  const claim = {ranges: parseRanges(ranges), since: Number(since), floor: Number(floor)}
  if (filter === undefined) return claim
  return {...claim, filtered: {filter, ranges: parseRanges(filtered), since: Number(from)}}
}

const claimForm = /^([\d,-]*);since=(\d+)(?:;floor=(\d+))?(?:;filter=(\w+):([\d,-]*);from=(\d+))?$/

function parseRanges(list = ''): NamedRanges {
  return list.split(',').flatMap((each) => {
    const [lo = Number.NaN, hi = Number.NaN] = each.split('-').map(Number)
    return lo > 0 && hi >= lo ? [[lo, hi] as const] : []
  })
}
