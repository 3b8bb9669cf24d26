/** How long an interrupted command waits for the acknowledgements of its messages, in milliseconds. */
export const lastAcksMs = 500

/**
 * Aborts at the first SIGINT or SIGTERM and then restores the default action of both, so the second one kills the process;
 * `onStop` is called with the first one.
 */
export function stopOnSignal(
  controller: AbortController,
  onStop: (signal: NodeJS.Signals) => void = () => {},
): Disposable {
  const release = () => {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
  const stop = (signal: NodeJS.Signals) => {
    release()
    controller.abort()
    onStop(signal)
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  return {[Symbol.dispose]: release}
}

/**
 * Runs `last` when the scope ends and, once `stopped` has aborted, before a signal ends the process: programs that we started
 * outside our process group would survive us.
 */
export function whenLeaving(stopped: AbortSignal, last: () => void): Disposable {
  const leave = () => {
    stopped.removeEventListener('abort', arm)
    process.off('SIGINT', end).off('SIGTERM', end)
    last()
  }
  const end = (signal: NodeJS.Signals) => {
    leave()
    process.kill(process.pid, signal)
  }
  const arm = () => void process.on('SIGINT', end).on('SIGTERM', end)
  stopped.addEventListener('abort', arm, {once: true})
  return {[Symbol.dispose]: leave}
}
