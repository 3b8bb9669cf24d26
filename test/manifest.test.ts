import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {beforeAll, describe, expect, it} from 'vitest'
import {commandFiles, commandTable} from '../scripts/command-table.ts'
import {type Manifest, manifestOf, manifestText} from '../scripts/manifest.ts'
import {commands} from '../src/commands/index.ts'
import {root} from './bus.ts'

const read = (path: string) => readFileSync(join(root, path), 'utf8')

/** The manifest of the current sources. */
async function manifestOfSources(): Promise<Manifest> {
  const load = [...commands].map(async ([id, module]) => [id, (await module()).default] as const)
  return await manifestOf({root, pjson: JSON.parse(read('package.json')), classes: await Promise.all(load)})
}

describe('oclif.manifest.json', () => {
  let manifest: Manifest
  beforeAll(async () => {
    manifest = await manifestOfSources()
  })

  it('is up to date: run `npm run build` and commit it if not', () => {
    expect(read('oclif.manifest.json')).toBe(manifestText(manifest))
  })

  it('gives help for each command, argument and flag, in lower-case fragments', () => {
    const {commands, globalFlags} = manifest
    const texts = Object.values(commands).flatMap(({id, summary, args, flags}) => {
      const parts = [...Object.values(args), ...Object.values({...globalFlags, ...flags})]
      return [summary, ...parts.map(({description}) => description)].map((text) => ({id, text}))
    })
    for (const {id, text} of texts) expect(text, id).toMatch(/^[^A-Z\s].*[^.]$/)
  })

  it('uses each short form for one flag only', () => {
    const meanings = new Map<string, string>()
    const {commands, globalFlags} = manifest
    for (const {flags} of Object.values(commands)) {
      for (const {char, name} of Object.values({...globalFlags, ...flags})) {
        if (char !== undefined) expect(meanings.get(char) ?? name).toBe(name)
        if (char !== undefined) meanings.set(char, name)
      }
    }
  })
})

describe('src/commands/index.ts', () => {
  it('contains every command: run `npm run build` if not', () => {
    expect(read('src/commands/index.ts')).toBe(commandTable(commandFiles(root)))
  })
})
