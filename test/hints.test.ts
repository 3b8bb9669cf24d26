import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {root} from './bus.ts'

const files = readdirSync(join(root, 'src'), {recursive: true, encoding: 'utf8'}).filter((file) => file.endsWith('.ts'))

/** The command lines in the hints of errors, with their file. */
const hints = files.flatMap((file) => {
  const source = readFileSync(join(root, 'src', file), 'utf8')
  return [...source.matchAll(/(?<=try: )\[[\s\S]*?\](?=[,})])/g)].flatMap(([list]) =>
    [...list.matchAll(/['`](bus [a-z][^\n]*?)['`](?=[,\]\n])/g)].map(([, line = '']) => `${file}: ${line}`),
  )
})

describe('the hints of errors', () => {
  test('are found', () => {
    expect(hints.length).toBeGreaterThan(40)
  })

  test('never lead to a command that removes, moves or acknowledges something, or that fakes a service', () => {
    const isHarmful =
      /: bus (\S+ (rm|purge|reset|replay)\b(?!.* --help)|consumer next (?!.*--peek)|sub .*--durable|rpc serve)/
    expect(hints.filter((hint) => isHarmful.test(hint))).toEqual([])
  })

  test('quote for a shell whatever they contain', () => {
    const isBare = /\$\{(?!shellWord\(|\[[^}]*\.map\(shellWord\))/
    expect(hints.filter((hint) => isBare.test(hint))).toEqual([])
  })
})
