import {defineConfig} from 'vitest/config'

/** `npm run test:faults`: processes that are killed and frozen, full disks, damaged files, bad networks. */
export default defineConfig({
  test: {
    include: ['test/faults/*.fault.ts'],
    pool: 'forks',
    disableConsoleIntercept: true,
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 30_000,
  },
})
