import {renameSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setImmediate as turn} from 'node:timers/promises'
import {afterEach, describe, expect, test, vi} from 'vitest'
import {ChangeWatcher} from '../../../../src/lib/transport/sqlite/change-watcher.ts'
import {Database} from '../../../../src/lib/transport/sqlite/database.ts'
import {openFile} from '../../../../src/lib/transport/sqlite/file.ts'
import {WakeFiles} from '../../../../src/lib/transport/sqlite/wake-files.ts'
import {temporaryFolder} from './processes.ts'

afterEach(() => void vi.useRealTimers())

/** A watcher of a new file, and what it reported; another connection commits with `commit`. */
function watching(names: readonly string[] | 'all' = ['00']) {
  const path = join(temporaryFolder(), 'bus.db')
  const file = openFile(path)
  const wakeFiles = new WakeFiles(path)
  const seen = {changes: 0, failures: [] as unknown[], heard: Promise.withResolvers<void>()}
  const watcher = new ChangeWatcher(file, wakeFiles, {
    changed: () => {
      seen.changes++
      seen.heard.resolve()
      return true
    },
    unreadable: (error) => {
      seen.failures.push(error)
      seen.heard.resolve()
    },
  })
  const other = new Database(path)
  const close = () => {
    watcher.close()
    wakeFiles.close()
    other.close()
    file.close()
  }
  vi.useFakeTimers({toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance']})
  watcher.watch(names)
  return {path, file, seen, commit: () => other.exec("UPDATE meta SET v = v + 1 WHERE k = 'interests'"), close}
}

/** The number of polls while this many seconds pass. */
function pollsIn(file: ReturnType<typeof openFile>, seconds: number): number {
  const polls = vi.spyOn(Object.getPrototypeOf(file.db.prepare('SELECT 1')), 'get')
  vi.advanceTimersByTime(seconds * 1000)
  const count = polls.mock.calls.length
  polls.mockRestore()
  return count
}

describe('a watcher of a bus file', () => {
  test('polls ten times per second until a wake-up arrives, at the latest its own', async () => {
    const {file, seen, close} = watching()
    expect(pollsIn(file, 2)).toBe(20)
    await seen.heard.promise
    expect(pollsIn(file, 120)).toBeLessThan(24)
    close()
  })

  test('polls every ten seconds while nothing happens', async () => {
    const {file, seen, close} = watching()
    vi.advanceTimersByTime(100)
    await seen.heard.promise
    vi.advanceTimersByTime(60_000)
    expect(pollsIn(file, 60)).toBe(6)
    close()
  })

  test('finds a commit without a wake-up, soon if there was one a moment ago', async () => {
    const {seen, commit, close} = watching()
    vi.advanceTimersByTime(100)
    await seen.heard.promise
    const before = seen.changes
    commit()
    vi.advanceTimersByTime(200)
    expect(seen.changes).toBe(before + 1)
    vi.advanceTimersByTime(60_000)
    commit()
    vi.advanceTimersByTime(10_000)
    expect(seen.changes).toBe(before + 2)
    close()
  })

  test('polls every two milliseconds once three commits came without a wake-up', async () => {
    const {file, seen, commit, close} = watching()
    vi.advanceTimersByTime(100)
    await seen.heard.promise
    for (let i = 0; i < 3; i++) {
      commit()
      vi.advanceTimersByTime(10_000)
    }
    expect(pollsIn(file, 1)).toBe(500)
    close()
  })

  // Elsewhere it polls once per second.
  test.runIf(process.platform === 'linux').each([
    ['deleted', (path: string) => rmSync(path)],
    ['replaced', (path: string) => renameSync(`${path}.other`, path)],
  ])('learns from the system that an idle file was %s', async (_, change) => {
    const {path, seen, close} = watching()
    vi.advanceTimersByTime(100)
    await seen.heard.promise
    vi.advanceTimersByTime(60_000)
    writeFileSync(`${path}.other`, '')
    change(path)
    while (seen.failures.length === 0) await turn()
    expect(seen.failures[0]).toMatchObject({exitCode: 3})
    close()
  })
})
