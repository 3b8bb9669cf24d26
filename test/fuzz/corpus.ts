/** The stored inputs: one file each, in a folder per target. */
import {createHash} from 'node:crypto'
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import type {Target} from './target.ts'

export const corpusFolder = join(import.meta.dirname, 'corpus')

/** An input beginning with `mended-` once revealed a bug, and is kept. */
const mended = 'mended-'

/** The seeds of a target and its stored inputs. */
export function readCorpus(name: string, {seeds}: Target): Uint8Array[] {
  const folder = join(corpusFolder, name)
  mkdirSync(folder, {recursive: true})
  const files = readdirSync(folder).sort()
  return [...seeds.map((seed) => new Uint8Array(Buffer.from(seed))), ...files.map((file) => read(join(folder, file)))]
}

export function keepCorpus(name: string, inputs: readonly Uint8Array[]): void {
  const folder = join(corpusFolder, name)
  for (const file of readdirSync(folder)) if (!file.startsWith(mended)) rmSync(join(folder, file))
  for (const input of inputs) {
    const id = createHash('sha1').update(input).digest('hex').slice(0, 12)
    if (!readdirSync(folder).includes(`${mended}${id}`)) writeFileSync(join(folder, id), input)
  }
}

function read(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path))
}
