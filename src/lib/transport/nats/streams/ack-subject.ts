/**
 * Parses the subject for the acknowledgement of a message (ADR-15): `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream
 * seq>.<consumer seq>.<time ns>.<pending>`, or with `<domain>.<account hash>.` before the stream and possibly one more token at
 * the end.
 */
export class AckSubject {
  deliveries = 0
  seq = 0
  consumerSeq = 0
  /** Unix milliseconds, with fractions. */
  time = 0
  pending = 0
  /** The position of the numbers in the subject, which does not change within a consumer. */
  #begin = -1
  #at = 0
  /** `.<stream>.<consumer>.`, at whose end the numbers begin. */
  readonly #owner: Uint8Array

  /** With an owner it parses subjects of that consumer only; without one all subjects must belong to one consumer. */
  constructor(owner?: {readonly stream: string; readonly consumer: string}) {
    this.#owner = Buffer.from(owner === undefined ? '.' : `.${owner.stream}.${owner.consumer}.`)
  }

  /** Parses the numbers in these bytes, from one position to another; false if it is not such a subject. */
  read(bytes: Uint8Array, from = 0, end = bytes.length): boolean {
    if (from < 0) return false
    if (this.#begin < 0 || !this.#isOwn(bytes, from)) {
      this.#begin = beginOf(bytes.subarray(from, end))
      if (this.#begin < 0 || !this.#isOwn(bytes, from)) return false
    }
    this.#at = from + this.#begin
    this.deliveries = this.#number(bytes, end)
    this.seq = this.#number(bytes, end)
    this.consumerSeq = this.#number(bytes, end)
    this.time = this.#millis(bytes)
    this.pending = this.#number(bytes, end)
    return true
  }

  #isOwn(bytes: Uint8Array, from: number): boolean {
    const owner = this.#owner
    const start = from + this.#begin - owner.length
    for (let at = owner.length - 1; at >= 0; at--) if (bytes[start + at] !== owner[at]) return false
    return true
  }

  /** Parses the number at the current position and moves behind the dot after it. */
  #number(bytes: Uint8Array, end: number): number {
    let value = 0
    let at = this.#at
    for (; at < end && bytes[at] !== dot; at++) value = value * 10 + ((bytes[at] ?? zero) - zero)
    this.#at = at + 1
    return value
  }

  /** Nanoseconds exceed the precision of a number: the last six digits become a fraction. */
  #millis(bytes: Uint8Array): number {
    let end = this.#at
    while ((bytes[end] ?? dot) !== dot) end++
    const split = Math.max(this.#at, end - 6)
    let whole = 0
    let fraction = 0
    for (let at = this.#at; at < split; at++) whole = whole * 10 + ((bytes[at] ?? zero) - zero)
    for (let at = split; at < end; at++) fraction = fraction * 10 + ((bytes[at] ?? zero) - zero)
    this.#at = end + 1
    return whole + fraction / 1e6
  }
}

const dot = 46
const zero = 48
const shortForm = 9
const prefix = Buffer.from('$JS.ACK.')

function beginOf(bytes: Uint8Array): number {
  const dots: number[] = []
  for (let at = bytes.indexOf(dot); at >= 0; at = bytes.indexOf(dot, at + 1)) dots.push(at)
  if (dots.length < shortForm - 1 || !prefix.equals(bytes.subarray(0, prefix.length))) return -1
  return (dots[dots.length + 1 > shortForm ? 5 : 3] ?? -1) + 1
}
