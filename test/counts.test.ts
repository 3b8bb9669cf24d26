/** What a run asks of the system, counted, so that a regression shows without a clock. */
import {existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import {start} from './bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-counts-'))
afterAll(() => rmSync(folder, {recursive: true}))

const count = 10_000
const probe = join(folder, 'probe.cjs')
const counts = join(folder, 'counts')
writeFileSync(
  probe,
  `process.on('exit', () => {
    const fs = process.getBuiltinModule('fs')
    fs.writeFileSync(process.env.COUNTS, fs.readFileSync('/proc/self/io', 'utf8'))
  })`,
)

/** Runs a command and resolves with the writes that it asked the system for, all files together. */
function counted(name: string, args: readonly string[], stdin?: string) {
  const running = start(args, {node: [process.execPath, '--require', probe], env: {COUNTS: counts + name}, stdin})
  const writes = async () => {
    expect((await running.ended).code).toBe(0)
    return Number(/syscw: (\d+)/.exec(readFileSync(counts + name, 'utf8'))?.[1])
  }
  return {running, writes}
}

const lines = `${'x'.repeat(127)}\n`.repeat(count)

// Linux counts them for each process; elsewhere there is nothing to read.
describe.skipIf(!existsSync('/proc/self/io'))('writes a thousand messages, on a bus file', () => {
  it.each([['--raw'], ['--json'], ['--format={subject}\\n']])('are few: sub %s, and pub --lines', async (view) => {
    const bus = ['--bus', join(folder, `${view.length}.db`)]
    const sub = counted('sub', ['sub', 'load', '-n', String(count), view, ...bus])
    await sub.running.stderrLine('listening on load')
    const pub = counted('pub', ['pub', 'load', '--lines', ...bus], lines)
    // 1.28 MB are 20 chunks of 64 KiB and 320 pages; the rest are bells, wake-ups of threads and looks for news.
    const perThousand = [await pub.writes(), await sub.writes()].map((writes) => (writes * 1000) / count)
    expect(Math.max(...perThousand)).toBeLessThan(200)
  })
})
