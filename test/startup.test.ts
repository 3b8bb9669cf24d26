import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import {commandFiles} from '../scripts/command-table.ts'
import {bus, root} from './bus.ts'
import {NatsServer} from './nats-server.ts'

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

/** Each takes one to four of the twenty milliseconds that a command has. */
const costly = [
  'stream',
  'net',
  'tty',
  'crypto',
  'fs/promises',
  'child_process',
  'worker_threads',
  'readline',
  'http',
  'perf_hooks',
]

/** Commands as files, `stream/ls`. */
const commands = commandFiles(root).map((file) => file.replace(/\.ts$/, ''))
const daily = new Set(['pub/command', 'sub/command', 'req/command', 'serve/command'])

/** Libraries that are loaded when they are used, and the commands that always need them. */
const lateLibraries = [
  ...['chalk', 'jsonata', 'cli-progress', 'cli-table3', 'hdr-histogram-js', '@nats-io', '@inquirer', 'ws', 're2js'],
  ...['yaml', 'zod', 'diff'],
]
const ownLibraries: Readonly<Record<string, readonly string[]>> = {check: ['yaml', 'zod', 'diff']}

// Time itself is measured by `npm run bench`; these tests guard against what would increase it.
describe('at startup', () => {
  it.each([[['--version']], [['pub', 'a.b', 'hi']], [['pub', 'a.b', 'hi', '--json', '-b', 'memory:']]])(
    'bus %j loads none of the expensive modules of Node',
    async (args) => {
      const loaded = await loadedBy(...args)
      expect(loaded.filter((name) => costly.includes(name))).toEqual([])
    },
  )

  it.each(commands)('%s loads few files and no library that only some calls use', (id) => {
    const files = staticGraph(`dist/commands/${id}.js`)
    expect(files.size).toBeLessThanOrEqual(daily.has(id) ? 6 : 14)
    const size = [...files.values()].reduce((sum, source) => sum + source.length, 0)
    const own = ownLibraries[id.split('/')[0] ?? ''] ?? []
    expect(size).toBeLessThan(own.length > 0 ? 1_100_000 : 600_000)
    const late = lateLibraries.filter((name) => !own.includes(name))
    for (const [file, source] of files) {
      for (const name of late) expect(source, file).not.toContain(`// node_modules/${name}/`)
      expect(source, file).not.toMatch(/^import [^"]*"[^."]/m)
    }
  })

  it('pub on a server loads sockets, and nothing for TLS, DNS or cryptography', async () => {
    await using server = await NatsServer.start()
    const loaded = await loadedBy('pub', 'a.b', 'hi', '-b', server.url())
    expect(loaded).toContain('net')
    expect(loaded.filter((name) => ['tls', 'dns', 'crypto', 'http', 'child_process'].includes(name))).toEqual([])
  })

  it('pub on a bus file loads a few files more', async () => {
    const {stderr} = await bus(['pub', 'a.b', 'hi'], {env: {NODE_DEBUG_NATIVE: 'COMPILE_CACHE'}})
    const read = stderr.match(/reading cache from .* for (ESM|CommonJS) /g) ?? []
    expect(read.length).toBeGreaterThan(5)
    expect(read.length).toBeLessThanOrEqual(7)
  })
})

/** A built file and everything that it imports statically, by path. */
function staticGraph(entry: string, found = new Map<string, string>()): Map<string, string> {
  if (found.has(entry)) return found
  const source = readFileSync(join(root, entry), 'utf8')
  found.set(entry, source)
  for (const [, target = ''] of source.matchAll(/^(?:import|export)[^;'"]*"(\.[^"]+)"/gm)) {
    staticGraph(join(entry, '..', target), found)
  }
  return found
}
