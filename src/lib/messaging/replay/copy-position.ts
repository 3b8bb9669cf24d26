/**
 * Which messages of a source a target has, without reading the whole target. Each copy carries what its sender knew: ranges
 * of the source's sequences of which everything is copied, and from where in the target on all other copies are found
 * (`Bus-Copied: 1-300,450-500;since=17`). A later run finds the last copy and reads the target from there. So nothing is
 * taken for copied that is not in the target, whatever the order in which copies were stored.
 */
import {headerOf, type Message} from '../../core/message.ts'
import type {Transport} from '../../transport/contract.ts'
import type {Start} from '../../transport/streams-contract.ts'

/** Where a copy came from. They travel with it. */
export const copyHeaders = {
  stream: 'Bus-Stream',
  /** The stream's id, in short. */
  source: 'Bus-Source',
  seq: 'Bus-Sequence',
  time: 'Bus-Time',
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

/** What a copy says in `Bus-Copied`. */
interface Claim {
  readonly ranges: readonly (readonly [lo: number, hi: number])[]
  /** All other copies of sequences above `floor` are in the target from here on. */
  readonly since: number
  /** What a consumer never delivers again. */
  readonly floor: number
}

/** A copy that was found in the target. */
export interface FoundCopy {
  readonly seq: number
  readonly time: string | undefined
}

export class CopyPosition {
  /** In order, and apart. */
  readonly #ranges: CopiedRange[] = []
  /** Copies beside the ranges: sequence in the source, place in the target. */
  readonly #points = new Map<number, number>()
  #floor = 0
  /** All that the target has up to here is known. */
  #knownTo = 0
  /** Our own copies beyond that. */
  #own: number[] = []

  /** The highest sequence that is copied; 0 for none. */
  get last(): number {
    let last = this.#ranges.at(-1)?.hi ?? 0
    for (const seq of this.#points.keys()) last = Math.max(last, seq)
    return last
  }

  has(seq: number): boolean {
    if (this.#points.has(seq)) return true
    const range = this.#ranges[this.#at(seq)]
    return range !== undefined && range.lo <= seq
  }

  /** Our own copy was stored at `at`. */
  sent(seq: number, at: number): void {
    this.found(seq, at)
    if (at > this.#knownTo) this.#own.push(at)
  }

  /** The target has a copy at `at`. */
  found(seq: number, at: number): void {
    const range = this.#ranges[this.#at(seq)]
    if (range !== undefined && range.lo <= seq) range.at = Math.min(range.at, at)
    else if (seq > this.#floor) this.#points.set(seq, at)
  }

  /** `seq` is copied, and the source has nothing between `after` and it. */
  joined(after: number, seq: number): void {
    const at = this.#points.get(seq)
    if (at !== undefined) this.#cover({lo: after + 1, hi: seq, at})
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

  /** What of the target others may have written meanwhile; undefined when our own copies leave no room for that. */
  get unknown(): {readonly from: number; readonly to: number} | undefined {
    const last = this.#own.reduce((most, at) => Math.max(most, at), 0)
    if (last - this.#knownTo !== this.#own.length) return {from: this.#knownTo + 1, to: last}
    this.knowTo(last)
    return undefined
  }

  /** What the next copies say of all this. */
  claim(): string {
    const named = [...this.#ranges].sort((a, b) => b.hi - b.lo - (a.hi - a.lo)).slice(0, mostRanges)
    const dropped = this.#ranges.filter((range) => !named.includes(range))
    let since = this.#knownTo + 1
    for (const {at} of dropped) since = Math.min(since, at)
    for (const at of this.#points.values()) since = Math.min(since, at)
    const ranges = named.sort((a, b) => a.lo - b.lo).map(({lo, hi}) => `${lo}-${hi}`)
    return `${ranges.join(',')};since=${since}${this.#floor > 0 ? `;floor=${this.#floor}` : ''}`
  }

  /** Adds the ranges that a copy names. */
  believe({ranges}: Claim): void {
    for (const [lo, hi] of ranges) this.#cover({lo, hi, at: 0})
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

  #cover(range: CopiedRange): void {
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
}

/** The copies of one source in a stream of the target. */
export class TargetCopies {
  readonly position = new CopyPosition()
  readonly #target: Transport
  readonly #stream: string
  readonly #source: string
  #lastText = ''

  constructor(target: Transport, stream: string, source: string) {
    this.#target = target
    this.#stream = stream
    this.#source = source
  }

  /**
   * Finds what is there of all that is above `floor`. Answers the copies that say most of how far it got, none when there
   * are no copies of the source.
   */
  async find(floor: number): Promise<readonly FoundCopy[]> {
    const {messages, lastSeq} = (await this.#target.streams.info(this.#stream)).state
    this.position.raiseFloor(floor)
    const last = messages === 0 ? undefined : await this.#lastCopy(messages)
    const found: FoundCopy[] = []
    if (last !== undefined) {
      const {claim} = last
      const from = claim.floor <= floor ? Math.max(1, claim.since) : 1
      let highest: FoundCopy | undefined
      await this.#read({seq: from}, undefined, (copy) => {
        if (copy.seq > (highest?.seq ?? 0)) highest = copy
      })
      found.push(last, ...(highest === undefined ? [] : [highest]))
    }
    this.position.knowTo(lastSeq)
    return found
  }

  /** Reads what others may have written meanwhile. */
  async catchUp(): Promise<void> {
    const {unknown} = this.position
    if (unknown === undefined) return
    await this.#read({seq: unknown.from}, unknown.to, () => {})
    this.position.knowTo(unknown.to)
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

/** The sequence in the source of which a message is a copy; undefined for any other message. */
export function sequenceOf({headers}: Message, source: string): number | undefined {
  if (headers.length === 0 || headerOf(headers, copyHeaders.source) !== source) return undefined
  const seq = Number(headerOf(headers, copyHeaders.seq))
  return Number.isSafeInteger(seq) && seq > 0 ? seq : undefined
}

/** One that says nothing that can be read claims nothing, so that all of the target is looked through. */
function parseClaim(text: string): Claim {
  const [, list = '', since = '1', floor = '0'] = /^([\d,-]*);since=(\d+)(?:;floor=(\d+))?$/.exec(text) ?? []
  const ranges = list.split(',').flatMap((each) => {
    const [lo = Number.NaN, hi = Number.NaN] = each.split('-').map(Number)
    return lo > 0 && hi >= lo ? [[lo, hi] as const] : []
  })
  return {ranges, since: Number(since), floor: Number(floor)}
}
