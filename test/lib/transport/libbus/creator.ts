/** Opens libbus databases with `create`, each at the time set by the parent, and returns the failures. */
import {open} from '../../../../src/lib/transport/open.ts'

process.on('message', async ({path, at}: {path: string; at: number}) => {
  while (Date.now() < at);
  try {
    await (await open(`libbus:${path}?create`)).close()
    process.send?.('')
  } catch (error) {
    process.send?.(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
  }
})
