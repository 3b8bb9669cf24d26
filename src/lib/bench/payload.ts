/**
 * Payloads of a measurement. A stamped one begins with a float64 of `hostClock`, the time at which it was due, so that
 * a subscriber on the same host can tell its latency.
 */

/** Bytes of a stamp. */
export const stampBytes = 8

const fill = 'x'

/** Payloads of one batch, stamped by `due`, in newly allocated memory. */
export function stampedPayloads(count: number, size: number, due: (index: number) => number): Uint8Array[] {
  const block = Buffer.allocUnsafeSlow(count * size).fill(fill)
  return Array.from({length: count}, (_, i) => {
    block.writeDoubleLE(due(i), i * size)
    return block.subarray(i * size, (i + 1) * size)
  })
}

/** A payload without a stamp. */
export function plainPayload(size: number): Uint8Array {
  return Buffer.alloc(size, fill)
}

/** Reads stamps; NaN for a payload that is too short. */
export function stampReader(): (payload: Uint8Array) => number {
  const bytes = new Uint8Array(stampBytes)
  const times = new Float64Array(bytes.buffer)
  return (payload) => {
    for (let i = 0; i < stampBytes; i++) bytes[i] = payload[i] ?? 0
    return payload.length < stampBytes ? Number.NaN : (times[0] ?? Number.NaN)
  }
}
