/** The number of round trips to measure, and after how many milliseconds to stop. */
const rounds = 5
const longMs = 200

/** Milliseconds of several consecutive round trips; over a slow network of fewer. */
export async function timeRoundTrips(roundTrip: () => unknown): Promise<number[]> {
  const took: number[] = []
  const began = performance.now()
  do {
    const start = performance.now()
    await roundTrip()
    took.push(performance.now() - start)
  } while (took.length < rounds && performance.now() - began < longMs)
  return took
}
