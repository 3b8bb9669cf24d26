import {globSync, readFileSync} from 'node:fs'
import {dirname, join, normalize} from 'node:path'
import {describe, expect, it} from 'vitest'
import {root} from './bus.ts'

/** What the commands do. They meet in `transport` and the words, never sideways. */
const middle = [
  'pubsub',
  'stored',
  'replay',
  'rpc',
  'response-stream',
  'delivery',
  'broker',
  'messenger',
  'check',
  'tour',
  'bench',
]

/** From top to bottom; an import goes to the same layer's folder or further down. */
const ranks = ['main', 'commands', 'cli', 'middle', 'sinks', 'transport', 'words'] as const
type Layer = (typeof ranks)[number]

/** Packages that only some folders may load. */
const owners: readonly (readonly [packages: RegExp, folders: RegExp])[] = [
  [/^better-sqlite3$/, /^src\/lib\/transport\/(sqlite|libbus)\//],
  [/^@nats-io\//, /^src\/lib\/transport\/nats\//],
  [/^@oclif\//, /^src\/(commands\/|lib\/cli\/)/],
]

/** Every import of a set of sources (path from the root → text) that goes up, sideways or to another's package. */
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
  if (from.layer === to.layer) return from.folder === to.folder && from.layer !== 'commands'
  return ranks.indexOf(from.layer) < ranks.indexOf(to.layer)
}

function layerOf(path: string): {layer: Layer; folder: string} {
  const [, area = '', folder = '', file] = path.split('/')
  if (area === 'commands') return {layer: 'commands', folder: area}
  if (area !== 'lib') return {layer: 'main', folder: ''}
  if (file === undefined) return {layer: 'words', folder: ''}
  if (folder === 'cli' || folder === 'sinks' || folder === 'transport') return {layer: folder, folder}
  if (middle.includes(folder)) return {layer: 'middle', folder}
  throw new Error(`${path} is in no layer: name its folder in docs/architecture.md and here`)
}

describe('the layers', () => {
  it('are kept: imports only point down', () => {
    const files = globSync('src/**/*.ts', {cwd: root})
    const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
    expect(violations(sources)).toEqual([])
    expect(files.length).toBeGreaterThan(20)
  })

  it.each([
    ['upwards', 'src/lib/transport/open.ts', "import {x} from '../cli/bus.ts'"],
    ['from the words to a bus', 'src/lib/message.ts', "import type {Transport} from './transport/transport.ts'"],
    ['sideways', 'src/lib/rpc/call.ts', "import {\n  x,\n} from '../pubsub/request.ts'"],
    ['from a sink to who uses it', 'src/lib/sinks/webhook.ts', "import {x} from '../replay/replay.ts'"],
    ['from one command to another', 'src/commands/pub.ts', "import Sub from './sub.ts'"],
    ["to a driver's package", 'src/lib/pubsub/publish.ts', "const {connect} = await import('@nats-io/transport-node')"],
    ['to the database', 'src/lib/transport/open.ts', "import Database from 'better-sqlite3'"],
    ['to oclif below the command line', 'src/lib/pubsub/serve.ts', "export {x} from '@oclif/core/errors'"],
  ])('are guarded: an import %s is found', (_, file, text) => {
    expect(violations(new Map([[file, text]]))).toHaveLength(1)
  })

  it('do not stand in the way of imports that point down', () => {
    const text =
      "import {a} from '../lib/cli/command.ts'\nimport {b} from '../lib/pubsub/publish.ts'\nimport fs from 'node:fs'"
    expect(violations(new Map([['src/commands/pub.ts', text]]))).toEqual([])
  })
})
