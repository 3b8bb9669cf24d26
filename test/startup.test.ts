import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import {bus, root} from './bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-test-'))
afterAll(() => rmSync(folder, {recursive: true}))

const probe = join(folder, 'probe.cjs')
const list = join(folder, 'loaded.json')
writeFileSync(
  probe,
  `process.on('exit', () => process.getBuiltinModule('fs').writeFileSync('${list}', JSON.stringify(process.moduleLoadList)))`,
)

/** Which of Node's own modules a command line loads. */
async function loadedBy(...args: string[]): Promise<string[]> {
  const {code} = await bus(args, {node: [process.execPath, '--require', probe]})
  expect(code).toBe(0)
  return JSON.parse(readFileSync(list, 'utf8')).map((name: string) => name.replace('NativeModule ', ''))
}

/** Each takes one to four milliseconds, of the twenty that a command has. */
const costly = ['stream', 'net', 'tty', 'crypto', 'fs/promises', 'child_process', 'worker_threads', 'readline', 'http']

// Time itself is measured by `npm run bench`; what would spoil it is guarded here.
describe('a command starts without what it does not need', () => {
  it.each([[['--version']], [['pub', 'a.b', 'hi']], [['pub', 'a.b', 'hi', '--json', '-b', 'memory:']]])(
    'bus %j loads none of the costly modules of Node',
    async (args) => {
      const loaded = await loadedBy(...args)
      expect(loaded.filter((name) => costly.includes(name))).toEqual([])
    },
  )

  it.each(['pub', 'sub', 'req', 'serve'])(
    '%s loads a handful of files and no library that only some calls use',
    (id) => {
      const files = staticGraph(`dist/commands/${id}.js`)
      expect(files.size).toBeLessThanOrEqual(8)
      for (const [file, source] of files) {
        expect(source, file).not.toMatch(/node_modules\/(chalk|jsonata|cli-progress|hdr-histogram-js|@nats-io|ws)\//)
        expect(source, file).not.toMatch(/from ?"better-sqlite3"/)
      }
    },
  )
})

/** A built file and all that it imports from the start, by path. */
function staticGraph(entry: string, found = new Map<string, string>()): Map<string, string> {
  if (found.has(entry)) return found
  const source = readFileSync(join(root, entry), 'utf8')
  found.set(entry, source)
  for (const [, target = ''] of source.matchAll(/^(?:import|export)[^;'"]*"(\.[^"]+)"/gm)) {
    staticGraph(join(entry, '..', target), found)
  }
  return found
}
