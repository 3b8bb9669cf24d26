/** Hints: command lines in errors, findings and messages, which run as they stand once their capitals are filled in. */
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {commands} from '../src/commands/index.ts'
import {root} from './bus.ts'

/** Names of clients and services, which are no hints. */
const isName = /^bus (check|(bench|serve|rpc serve) \$\{(job\.role|subject|own)\})$/

const topics = [...new Set([...commands.keys()].map((id) => id.split(' ')[0]))].join('|')
const isHint = new RegExp(`(?:^|: )(bus (?:-b |(?:${topics})\\b(?!,)).*)$`)

const files = readdirSync(join(root, 'src'), {recursive: true, encoding: 'utf8'}).filter((file) => file.endsWith('.ts'))

/** The command lines of all texts that are one, `bus …`, or end with one, `REASON: bus …`; with their file. */
const hints = files.flatMap((file) => {
  const source = readFileSync(join(root, 'src', file), 'utf8').replace(/^\s*(\/\*\*|\*|\/\/).*$/gm, '')
  return [...source.matchAll(/(['"`])((?:\\.|(?!\1)[^\\\n])*)\1/g)].flatMap(([, quote = '', text = '']) => {
    const [, line] = isHint.exec(text) ?? []
    return line === undefined || isName.test(text)
      ? []
      : [{file, line: quote === "'" ? line.replaceAll('\\', '') : line}]
  })
})

interface Manifest {
  readonly globalFlags: Readonly<Record<string, unknown>>
  readonly commands: Readonly<Record<string, {readonly flags: Readonly<Record<string, unknown>>}>>
}
const manifest: Manifest = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8'))

describe('hints', () => {
  test('are found', () => {
    expect(hints.length).toBeGreaterThan(60)
  })

  test('never lead to a command that removes, moves or acknowledges something, or that fakes a service', () => {
    const isHarmful =
      /^bus (\S+ (rm|purge|reset|replay)\b(?!.* --help)|consumer next (?!.*--peek)|sub .*--durable|rpc serve)/
    expect(hints.filter(({line}) => isHarmful.test(line))).toEqual([])
  })

  test('quote for a shell whatever they contain', () => {
    const isBare = /\$\{(?!shellWord\(|\[[^}]*\.map\(shellWord\))/
    expect(hints.filter(({line}) => isBare.test(line))).toEqual([])
  })

  test('are whole command lines, without a text after them', () => {
    expect(hints.filter(({line}) => /(, | …|[.;] )/.test(line.replace(/\$\{.*?\}(?= |$)/g, 'X')))).toEqual([])
  })

  test('name existing commands and flags', () => {
    const wrong = hints.filter(({line}) => !isKnown(line.replace(/\$\{.*?\}(?= |$)/g, 'X')))
    expect(wrong).toEqual([])
  })
})

function isKnown(line: string): boolean {
  const [words = ''] = line.split(' -- ')
  const [first = '', second = '', ...rest] = words.replace(/^bus (-b X )?/, '').split(' ')
  const id = [`${first}:${second}`, first].find((each) => commands.has(each.replace(':', ' ')))
  if (id === undefined) return false
  const flags = Object.keys({...manifest.commands[id]?.flags, ...manifest.globalFlags, help: {}})
  return [second, ...rest].every((word) => !word.startsWith('--') || flags.includes(word.slice(2)))
}
