/** How long a bus takes to answer. */
const rounds = 5

/** The milliseconds of several round trips, one after the other. */
export async function timeRoundTrips(roundTrip: () => unknown): Promise<number[]> {
  const took: number[] = []
  while (took.length < rounds) {
    const start = performance.now()
    await roundTrip()
    took.push(performance.now() - start)
  }
  return took
}
