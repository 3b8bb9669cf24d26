/**
 * Determines which messages of a source a target has, without reading the whole target. Each copy carries what its sender knew:
 * ranges of the source's sequences that are completely copied, and the sequence in the target from which all other copies are
 * found (`Bus-Copied: 1-300,450-500;since=17`). A later run finds the last copy and reads the target from there. So only
 * messages in the target count as copied, in whatever order copies were stored. A run with filters adds ranges that are valid
 * for these filters only, and the sequence from which a run with the same filters finds all other copies
 * (`1-300;since=17;filter=HASH:301-900;from=580`).
 */
import {hash} from 'node:crypto'
import {headerOf, type Message} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'
import type {Start, StreamState} from '../../transport/streams-contract.ts'

/** Headers that record the origin of a copy, and that later copies keep. */
export const copyHeaders = {
  stream: 'Bus-Stream',
  /** A short form of the stream's id. */
  source: 'Bus-Source',
  seq: 'Bus-Sequence',
  time: 'Bus-Time',
  /** A stream through which the message was copied before: `SOURCE/SEQUENCE/TIME`. */
  via: 'Bus-Via',
  msgId: 'Bus-Msg-Id',
  copied: 'Bus-Copied',
} as const

/** Largest number of ranges that a copy names; further copies are found by reading. */
const mostRanges = 8
/** How many of the last messages of a target are first searched for a copy. */
const lookBack = 1000
const pageSize = 512

interface CopiedRange {
  lo: number
  hi: number
  /** The lowest sequence in the target of a copy in this range. */
  at: number
}

type NamedRanges = readonly (readonly [lo: number, hi: number])[]

/** The content of `Bus-Copied`. */
interface Claim {
  readonly ranges: NamedRanges
  /** All other copies of sequences above `floor` are in the target from this sequence on. */
  readonly since: number
  /** The sequence up to which a consumer delivers nothing again. */
  readonly floor: number
  /** Ranges in which all messages that match the filters are copied; other copies of such messages are found from `since` on. */
  readonly filtered?: {readonly filter: string; readonly ranges: NamedRanges; readonly since: number} | undefined
}

/** A copy found in the target. */
export interface FoundCopy {
  readonly seq: number
  readonly time: string | undefined
}

/** Ranges of sequences, sorted and disjoint. */
class CopiedRanges {
  readonly #ranges: CopiedRange[] = []

  get last(): number {
    return this.#ranges.at(-1)?.hi ?? 0
  }

  /** The lowest sequence in the target of all of them. */
  get at(): number {
    return this.#ranges.reduce((least, {at}) => Math.min(least, at), Number.POSITIVE_INFINITY)
  }

  /** The range that contains the sequence. */
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

  /** The longest ranges, as a copy names them, and the lowest sequence in the target of the others. */
  named(): {readonly text: string; readonly rest: number} {
    const named = [...this.#ranges].sort((a, b) => b.hi - b.lo - (a.hi - a.lo)).slice(0, mostRanges)
    let rest = Number.POSITIVE_INFINITY
    for (const range of this.#ranges) if (!named.includes(range)) rest = Math.min(rest, range.at)
    const texts = named.sort((a, b) => a.lo - b.lo).map(({lo, hi}) => `${lo}-${hi}`)
    return {text: texts.join(','), rest}
  }

  /** The index of the first range that does not end before `seq`. */
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
  /** Ranges in which all messages that match the filters of this run are copied. */
  readonly #filtered = new CopiedRanges()
  /** A short form of these filters; empty without any. */
  readonly #filter: string
  /** Copies outside the ranges: sequence in the source, sequence in the target. */
  readonly #points = new Map<number, number>()
  #floor = 0
  /** Everything in the target up to this sequence is known. */
  #knownTo = 0
  /** Sequences of our own copies beyond that. */
  #own: number[] = []

  constructor(filters: readonly string[] = []) {
    this.#filter = filters.length === 0 ? '' : hash('sha256', JSON.stringify([...filters].sort()), 'hex').slice(0, 12)
  }

  /** The highest copied sequence; 0 for none. */
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

  /** `seq` is copied, and the source has nothing to copy between `after` and `seq`. */
  joined(after: number, seq: number): void {
    const at = this.#points.get(seq)
    const ranges = this.#filter === '' ? this.#ranges : this.#filtered
    if (at !== undefined) ranges.add({lo: after + 1, hi: seq, at})
    this.#points.delete(seq)
  }

  /** A consumer delivers nothing up to this sequence again. */
  raiseFloor(floor: number): void {
    if (floor <= this.#floor) return
    this.#floor = floor
    for (const seq of this.#points.keys()) if (seq <= floor) this.#points.delete(seq)
  }

  /** Everything in the target up to this sequence is known. */
  knowTo(at: number): void {
    this.#knownTo = Math.max(this.#knownTo, at)
    this.#own = this.#own.filter((own) => own > this.#knownTo)
  }

  /** The part of the target up to `last` that others may have written; undefined if our own copies leave no gap. */
  unknown(last: number): {readonly from: number; readonly to: number} | undefined {
    const own = this.#own.filter((at) => at <= last).length
    if (last - this.#knownTo > own) return {from: this.#knownTo + 1, to: last}
    this.knowTo(last)
    return undefined
  }

  /** The header that the next copies carry. */
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

  /** The sequence in the target from which this run finds all copies that a claim does not name. */
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
  /** When the target was last asked for its last sequence, by both clocks. */
  #asked: readonly [number, number] = [0, 0]

  constructor(target: Transport, stream: string, source: string, filters?: readonly string[]) {
    this.#target = target
    this.#stream = stream
    this.#source = source
    this.position = new CopyPosition(filters)
  }

  /** The age of what is known of the target. While a computer sleeps, one of the clocks stops. */
  get ageMs(): number {
    return Math.max(performance.now() - this.#asked[0], Date.now() - this.#asked[1])
  }

  /**
   * Finds all copies of messages above `floor`. Returns those with the most complete claims; none if the target has no copies
   * of the source.
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

  /** Reads what others may have written in the meantime. */
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

  /** Searches further and further back, because others may publish into the target too. */
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

/** The position of a message in a stream from which it was copied. */
export interface CopiedFrom extends FoundCopy {
  readonly source: string
}

/** The streams from which a message was copied, each once, the direct source last. */
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

/** A claim that cannot be parsed claims nothing, so the whole target is searched. */
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
