import {defineConfig} from 'vitest/config'
import {shared} from './vitest.config.ts'

/**
 * `npm run coverage`: which lines of src/lib the tests of test/lib, test/conformance and test/api reach within the test
 * process. It does not see other processes: whole command lines, which test src/commands, src/main.ts and src/lib/cli, and the
 * workers of tests that kill them. So these three are not counted.
 */
export default defineConfig({
  test: {
    ...shared,
    include: ['test/{lib,conformance,api}/**/*.test.ts'],
    exclude: ['test/lib/cli/**', 'test/api/package.test.ts', 'test/conformance/faulty.test.ts'],
    coverage: {
      enabled: true,
      provider: 'v8',
      include: ['src/lib/**/*.ts'],
      exclude: ['src/lib/cli/**'],
      reporter: ['text-summary', 'html'],
      // Today's values minus a margin for variation. Raise them when they rise.
      thresholds: {lines: 89, functions: 89, branches: 81, statements: 87},
    },
  },
})
