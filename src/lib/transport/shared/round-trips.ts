/** The number of round trips to measure. */
const rounds = 5

/** Milliseconds of several consecutive round trips. */
export async function timeRoundTrips(roundTrip: () => unknown): Promise<number[]> {
  const took: number[] = []
  while (took.length < rounds) {
    const start = performance.now()
    await roundTrip()
    took.push(performance.now() - start)
  }
  return took
}
