import {atProcessEnd} from '../../core/process/process-end.ts'
import {open} from '../open.ts'

/** A bus file that exists for a test. Leaving its scope (`await using`) removes it, as does the end of the process. */
export interface TestFile extends AsyncDisposable {
  /** `sqlite:PATH`, or `libbus:PATH`. */
  readonly url: string
  readonly path: string
}

/** Creates a bus file in a temporary folder, or with `libbus` a database with the tables of libbus. */
export async function createFile(kind: 'sqlite' | 'libbus' = 'sqlite'): Promise<TestFile> {
  const {mkdtempSync, rmSync} = await import('node:fs')
  const {tmpdir} = await import('node:os')
  const {join} = await import('node:path')
  const folder = mkdtempSync(join(tmpdir(), 'busline-test-'))
  const remove = () => rmSync(folder, {recursive: true, force: true})
  const forget = atProcessEnd(remove)
  const path = join(folder, 'bus.db')
  const url = `${kind}:${path}`
  const bus = await open(kind === 'libbus' ? `${url}?create` : url)
  await bus.close()
  return {
    ...{url, path},
    async [Symbol.asyncDispose]() {
      forget()
      remove()
    },
  }
}
