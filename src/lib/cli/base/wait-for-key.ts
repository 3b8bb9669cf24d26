/** Resolves at the next line or key on the terminal, or when the signal aborts. */
export function waitForKey(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const {stdin} = process
    const done = () => {
      stdin.off('data', done)
      signal.removeEventListener('abort', done)
      stdin.pause()
      resolve()
    }
    process.stderr.write('   press Enter ')
    stdin.resume()
    stdin.once('data', done)
    signal.addEventListener('abort', done)
  })
}
