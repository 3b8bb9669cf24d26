import type {Reporter, TestCase} from 'vitest/node'

/** Lists the tests that failed the first time, with how they failed: `retry` must not hide a test that needs it. */
export class RetriesReporter implements Reporter {
  readonly #retried: TestCase[] = []

  onTestCaseResult(test: TestCase): void {
    if ((test.diagnostic()?.retryCount ?? 0) > 0) this.#retried.push(test)
  }

  onTestRunEnd(): void {
    const count = this.#retried.length
    if (count === 0) process.stdout.write('\nNo test was retried.\n')
    else process.stdout.write(`\n${count === 1 ? '1 test was' : `${count} tests were`} retried:\n`)
    for (const test of this.#retried) process.stdout.write(listed(test))
    this.#retried.length = 0
  }
}

/** `  FILE > NAME`, then how often it was retried, how it ended and how each attempt failed. */
function listed(test: TestCase): string {
  const {state, errors = []} = test.result()
  const retries = test.diagnostic()?.retryCount ?? 0
  const failures = errors.map(({message = ''}) => `    ${message.split('\n', 1)[0]}\n`)
  const end = `${retries === 1 ? 'retried once' : `retried ${retries} times`}, ${state}`
  return `  ${test.module.relativeModuleId} > ${test.fullName}\n    ${end}\n${failures.join('')}`
}
