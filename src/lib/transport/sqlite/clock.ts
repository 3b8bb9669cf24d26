/** Unix time in microseconds: the wall clock's milliseconds, refined by the steady clock between its ticks. */
export function makeClock(): () => number {
  let origin = performance.timeOrigin
  return () => {
    const wall = Date.now()
    const fine = origin + performance.now()
    if (fine >= wall - 1 && fine < wall + 2) return Math.floor(fine * 1000)
    origin += wall - fine
    return wall * 1000
  }
}
