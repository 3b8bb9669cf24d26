import {defineConfig, type ViteUserConfig} from 'vitest/config'
import {RetriesReporter} from './test/retries-reporter.ts'

/**
 * Tests that take long because they wait, kill and restart: `npm run test:slow`. All others are `npm test`, which should take
 * less than three minutes on two cores.
 */
export const slow = [
  'test/api/package.test.ts',
  'test/check-examples.test.ts',
  'test/cluster-examples.test.ts',
  'test/conformance/faulty.test.ts',
  'test/help-examples.test.ts',
  'test/memory.test.ts',
  'test/hostile/{odd-passwords,secrets,server,terminal}.test.ts',
  'test/side-by-side.test.ts',
  'test/transcripts.test.ts',
  'test/commands/{bench/bench,check/init,context/context,events/events,rpc/rpc}.test.ts',
  'test/commands/{cluster,cluster-servers,dead-line,elections,gone-server,locked-file,webhook}.test.ts',
  'test/commands/consumer/{acknowledgements,consumer,program-end,push-durables,replay,replay-copies,stalls}.test.ts',
  'test/commands/{pub/passing-refusals,serve/service,stream/open,tour/command}.test.ts',
  'test/lib/protocols/broker/durable.test.ts',
  'test/lib/transport/nats/streams-cluster.test.ts',
  'test/lib/transport/sqlite/{consumers,crafted,processes}.test.ts',
  'test/zoo/*.test.ts',
]

export const shared = {
  globals: false,
  pool: 'forks',
  // Most of them wait for processes, not for the CPU.
  maxWorkers: 4,
  // Commands run in the test process and their stdout is captured.
  disableConsoleIntercept: true,
  testTimeout: 60_000,
  hookTimeout: 60_000,
  expect: {poll: {timeout: 15_000}},
  // Real servers, processes and clocks: a test that fails because the machine stalls is retried, and listed at the end.
  retry: 2,
  reporters: ['default', new RetriesReporter()],
} satisfies ViteUserConfig['test']

export default defineConfig({
  test: {
    ...shared,
    include: ['test/**/*.test.ts'],
    exclude: process.env['BUS_TESTS'] === 'all' ? [] : slow,
    /**
     * `npm test` counts which lines of src/lib run within the test processes. Whole command lines are processes of their own,
     * which it does not see, so src/commands, src/main.ts and src/lib/cli are not counted.
     */
    coverage: {
      provider: 'v8',
      include: ['src/lib/**/*.ts'],
      exclude: ['src/lib/cli/**'],
      reporter: ['text-summary', 'html'],
      // Today's values minus a margin for variation. Raise them when they rise.
      thresholds: {lines: 89, functions: 89, branches: 81, statements: 87},
    },
  },
})
