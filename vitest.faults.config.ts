import {defineConfig} from 'vitest/config'
import {RetriesReporter} from './test/retries-reporter.ts'

/** `npm run test:faults`: killed and frozen processes, full disks, damaged files, bad networks. */
export default defineConfig({
  test: {
    include: ['test/faults/*.fault.ts'],
    pool: 'forks',
    disableConsoleIntercept: true,
    // Two at a time, because they mostly wait.
    maxWorkers: 2,
    testTimeout: 600_000,
    hookTimeout: 60_000,
    // No test here is retried, unless it requests that itself.
    reporters: ['default', new RetriesReporter()],
  },
})
