import {defineConfig} from 'vitest/config'
import {RetriesReporter} from './test/retries-reporter.ts'

/** `npm run test:faults`: processes that are killed and frozen, full disks, damaged files, bad networks. */
export default defineConfig({
  test: {
    include: ['test/faults/*.fault.ts'],
    pool: 'forks',
    disableConsoleIntercept: true,
    // Two at a time: most of it is waiting.
    maxWorkers: 2,
    testTimeout: 600_000,
    hookTimeout: 60_000,
    // No test here is retried, unless it asks for it itself.
    reporters: ['default', new RetriesReporter()],
  },
})
