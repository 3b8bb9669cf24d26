/**
 * Derives inputs from inputs: changes bytes, removes, duplicates, repeats and combines pieces. The same seed produces the same
 * inputs.
 */

/** A whole number from 0 up to below `limit`. */
export type Random = (limit: number) => number

/** mulberry32 */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(1, limit)
  }
}

const longest = 4096
/** Occasionally, input that is nested or repeated. */
const longestRepeated = 65_536
const interesting = Buffer.from('\0\t\n\r\x1b\x7f\x80\xff "\'`.*>:,;/\\{}[]()<>$@#%&|=+-_~^!?019eETZ', 'latin1')

/** The material for mutations. */
interface Supply {
  readonly others: readonly Uint8Array[]
  readonly words: readonly string[]
  readonly random: Random
}

export function mutate(input: Uint8Array, others: readonly Uint8Array[], words: readonly string[], random: Random) {
  let bytes = Buffer.from(input)
  for (let changes = 1 + random(4); changes > 0; changes--) {
    const at = random(bytes.length + 1)
    const piece = bytes.subarray(at, at + 1 + random(random(4) === 0 ? 64 : 8))
    bytes = change(bytes, at, piece, {others, words, random})
  }
  return new Uint8Array(bytes.subarray(0, longestRepeated))
}

function change(bytes: Buffer, at: number, piece: Uint8Array, {others, words, random}: Supply): Buffer<ArrayBuffer> {
  const put = (what: Uint8Array, over: number) =>
    Buffer.concat([bytes.subarray(0, at), what, bytes.subarray(at + over)]).subarray(0, longest)
  const word = () => Buffer.from(words[random(words.length)] ?? '')
  const byte = () => Buffer.from([random(3) === 0 ? random(256) : (interesting[random(interesting.length)] ?? 0)])
  switch (random(10)) {
    case 0:
      return put(byte(), 1)
    case 1:
      return put(byte(), 0)
    case 2:
    case 3:
      return put(word(), 0)
    case 4:
      return put(word(), piece.length)
    case 5:
      return put(new Uint8Array(), piece.length)
    case 6:
      return put(Buffer.concat([piece, piece]), piece.length)
    case 7: {
      const other = others[random(others.length)] ?? bytes
      const from = random(other.length)
      return put(other.subarray(from, from + 1 + random(other.length)), random(2) === 0 ? 0 : bytes.length)
    }
    case 8: {
      if (random(8) > 0) return put(Buffer.from(String(random(2) === 0 ? random(1000) : 2 ** random(70))), random(3))
      const times = 2 ** (2 + random(14))
      const repeated = Buffer.concat(Array.from({length: Math.min(times, longestRepeated)}, () => piece))
      return Buffer.concat([bytes.subarray(0, at), repeated, bytes.subarray(at)]).subarray(0, longestRepeated)
    }
    default: {
      const flipped = Buffer.from(bytes)
      if (at < flipped.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << random(8))
      return flipped
    }
  }
}
