import {globSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {Plugin} from '@oclif/core'
import type {Manifest} from '@oclif/core/interfaces'
import {beforeAll, describe, expect, it} from 'vitest'
import {root} from './bus.ts'

const read = (path: string) => readFileSync(join(root, path), 'utf8')

/** The manifest of the commands as their sources are now. */
async function manifestOfSources(): Promise<Manifest> {
  const pjson = JSON.parse(read('package.json'))
  pjson.oclif.commands = './src/commands'
  const plugin = new Plugin({
    root,
    pjson,
    isRoot: true,
    ignoreManifest: true,
    errorOnManifestCreate: true,
    type: 'core',
  })
  await plugin.load()
  return plugin.manifest
}

describe('oclif.manifest.json', () => {
  let committed: Manifest
  let fresh: Manifest
  beforeAll(async () => {
    committed = JSON.parse(read('oclif.manifest.json'))
    fresh = await manifestOfSources()
  })

  it('describes the commands as they are: `npm run build` and commit it if not', () => {
    for (const command of Object.values(fresh.commands)) {
      command.relativePath = command.relativePath?.map((part) => part.replace(/^src$/, 'dist').replace(/\.ts$/, '.js'))
    }
    expect(committed).toEqual(JSON.parse(JSON.stringify(fresh)))
  })

  it('holds every flag of every command as they were: run vitest with -u if a change is meant', async () => {
    await expect(`${JSON.stringify(interfaceOf(committed), null, 2)}\n`).toMatchFileSnapshot('snapshots/flags.json')
  })

  it('gives help for each command, argument and flag, in lower-case fragments', () => {
    for (const {id, summary, args, flags} of Object.values(committed.commands)) {
      const texts = [...Object.values(args), ...Object.values(flags)].map(({description}) => description)
      for (const text of [summary, ...texts]) expect(text, id).toMatch(/^[^A-Z\s].*[^.]$/)
    }
  })

  it('gives a short form one meaning', () => {
    const meanings = new Map<string, string>()
    for (const {flags} of Object.values(committed.commands)) {
      for (const {char, name} of Object.values(flags)) {
        if (char !== undefined) expect(meanings.get(char) ?? name).toBe(name)
        if (char !== undefined) meanings.set(char, name)
      }
    }
  })
})

describe('the table of commands in main.ts', () => {
  it('names each file of src/commands, by its path', () => {
    const listed = [...read('src/main.ts').matchAll(/\['([^']+)', \(\) => import\('\.\/commands\/([^']+)\.ts'\)\]/g)]
    const files = globSync('**/*.ts', {cwd: join(root, 'src/commands')}).map((file) => file.replace(/\.ts$/, ''))
    expect(listed.map(([, , file]) => file).sort()).toEqual(files.sort())
    for (const [, id, file] of listed) expect(id).toBe(file?.replace('/', ' '))
  })
})

/** What a user's scripts depend on: no help texts. */
function interfaceOf({commands}: Manifest): object {
  return Object.fromEntries(
    Object.entries(commands).map(([id, {args, flags, strict}]) => [
      id,
      {
        args: Object.values(args).map(({name, required, multiple}) => ({name, required, multiple})),
        flags: Object.fromEntries(
          Object.entries(flags)
            .map(([name, flag]) => [name, shapeOf(flag)])
            .sort(byName),
        ),
        strict,
      },
    ]),
  )
}

function shapeOf(flag: Record<string, unknown>): object {
  const {type, char, aliases, charAliases, multiple, options, default: default_} = flag
  return {type, char, aliases, charAliases, multiple: multiple || undefined, options, default: default_}
}

const byName = ([a]: readonly unknown[], [b]: readonly unknown[]) => (String(a) < String(b) ? -1 : 1)
