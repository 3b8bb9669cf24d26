/** Work at the end of a process, even one that SIGTERM ends, as vitest does: then the `exit` event does not occur. */
const cleanups = new Set<() => void>()

/** Runs `cleanup`, which must be synchronous, when this process ends; calling the result cancels it. */
export function atProcessEnd(cleanup: () => void): () => void {
  if (cleanups.size === 0) {
    process.on('exit', runAll)
    process.on('SIGTERM', onTerminate)
  }
  cleanups.add(cleanup)
  return () => {
    cleanups.delete(cleanup)
    if (cleanups.size === 0) stopListening()
  }
}

function runAll(): void {
  for (const cleanup of cleanups) cleanup()
  cleanups.clear()
}

function onTerminate(): void {
  runAll()
  stopListening()
  process.kill(process.pid, 'SIGTERM')
}

function stopListening(): void {
  process.off('exit', runAll)
  process.off('SIGTERM', onTerminate)
}
