import {globSync, readFileSync} from 'node:fs'
import {dirname, join, normalize} from 'node:path'
import {describe, expect, it} from 'vitest'
import {root} from './bus.ts'

/**
 * From top to bottom; an import goes further down, or stays within its folder. Folders of one layer do not know each other.
 * `index` is the generated table of commands.
 */
const ranks = ['main', 'index', 'commands', 'cli', 'middle', 'messaging', 'transport', 'core'] as const
type Layer = (typeof ranks)[number]

const rooms: readonly (readonly [pattern: RegExp, layer: Layer])[] = [
  [/^src\/(main|index|api\/\w+(-\w+)*)\.ts$/, 'main'],
  [/^src\/commands\/index\.ts$/, 'index'],
  [/^src\/commands\/[\w-]+(\/|\.ts$)/, 'commands'],
  [/^src\/lib\/cli\/(base|flags|target|io|render)\//, 'cli'],
  [/^src\/lib\/protocols\/[\w-]+\//, 'middle'],
  [/^src\/lib\/(checks|bench)\//, 'middle'],
  [/^src\/lib\/messaging\//, 'messaging'],
  [/^src\/lib\/transport\//, 'transport'],
  [/^src\/lib\/core\//, 'core'],
]

/** Layers that count as one folder, whatever their subfolders. */
const whole = new Set<Layer>(['main', 'cli', 'messaging', 'transport', 'core'])

/** Packages that only some folders may load. */
const owners: readonly (readonly [packages: RegExp, folders: RegExp])[] = [
  [/^node:sqlite$/, /^src\/lib\/transport\/sqlite\//],
  [/^@nats-io\//, /^src\/lib\/transport\/nats\//],
  [/^@oclif\//, /^src\/(commands\/|lib\/cli\/)/],
]

/** Every import in a set of sources (path from the root → text) that goes up, sideways or to another folder's package. */
function violations(sources: ReadonlyMap<string, string>): string[] {
  return [...sources].flatMap(([file, text]) =>
    importsOf(text)
      .filter((target) => !isAllowed(file, target))
      .map((target) => `${file} imports ${target}`),
  )
}

function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const found = code.matchAll(/(?:^|[\s}])(?:from|import)\s*\(?\s*'([^']+)'/g)
  return [...found].map(([, target = '']) => target)
}

function isAllowed(file: string, target: string): boolean {
  if (!target.startsWith('.'))
    return owners.every(([packages, folders]) => !packages.test(target) || folders.test(file))
  const path = normalize(join(dirname(file), target))
  if (path === 'package.json') return true
  const [from, to] = [layerOf(file), layerOf(path)]
  if (from.layer === to.layer) return whole.has(from.layer) || from.room === to.room
  return ranks.indexOf(from.layer) < ranks.indexOf(to.layer)
}

function layerOf(path: string): {layer: Layer; room: string} {
  for (const [pattern, layer] of rooms) {
    const room = pattern.exec(path)?.[0]
    if (room !== undefined) return {layer, room}
  }
  throw new Error(`${path} is in no layer: see docs/architecture.md`)
}

describe('the layers', () => {
  it('are respected: imports only point down', () => {
    const files = globSync('src/**/*.ts', {cwd: root})
    const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
    expect(violations(sources)).toEqual([])
    expect(files.length).toBeGreaterThan(20)
  })

  it.each([
    ['upwards', 'src/lib/transport/open.ts', "import {x} from '../cli/target/bus.ts'"],
    ['from the words to a bus', 'src/lib/core/message.ts', "import type {Transport} from '../transport/contract.ts'"],
    ['sideways', 'src/lib/protocols/loom-rpc/call.ts', "import {\n  x,\n} from '../broker/broker.ts'"],
    ['from messaging to a protocol', 'src/lib/messaging/load.ts', "import {x} from '../protocols/loom-rpc/call.ts'"],
    ['from one command to another', 'src/commands/pub/command.ts', "import {x} from '../sub/plan.ts'"],
    ['to the table of commands', 'src/commands/pub/plan.ts', "import {commands} from '../index.ts'"],
    [
      "to a driver's package",
      'src/lib/messaging/pubsub/publish.ts',
      "const {connect} = await import('@nats-io/transport-node')",
    ],
    ['to the database', 'src/lib/transport/open.ts', "import {DatabaseSync} from 'node:sqlite'"],
    ['to oclif below the command line', 'src/lib/messaging/pubsub/serve.ts', "export {x} from '@oclif/core/errors'"],
  ])('are checked: an import %s is found', (_, file, text) => {
    expect(violations(new Map([[file, text]]))).toHaveLength(1)
  })

  it('allow imports that point down', () => {
    const text =
      "import {a} from '../../lib/cli/base/command.ts'\nimport {b} from './plan.ts'\nimport fs from 'node:fs'"
    expect(violations(new Map([['src/commands/pub/command.ts', text]]))).toEqual([])
  })
})
