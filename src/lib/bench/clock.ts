/** A clock in milliseconds that all processes of a host share and that nobody sets: no date, only differences mean something. */
export function hostClock(): () => number {
  const [seconds, nanoseconds] = process.hrtime()
  const offset = seconds * 1000 + nanoseconds / 1e6 - performance.now()
  return () => performance.now() + offset
}
