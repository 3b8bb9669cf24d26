/** What each command of the generated table needs besides its code. */
import {globSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {commands} from '../src/commands/index.ts'
import {root} from './bus.ts'

const read = (path: string) => readFileSync(join(root, path), 'utf8')
const readAll = (pattern: string) => globSync(pattern, {cwd: root}).map(read).join('\n')

interface ManifestCommand {
  readonly summary?: string
  readonly hidden: boolean
}
const manifest: Record<string, ManifestCommand> = JSON.parse(read('oclif.manifest.json')).commands
const topics: Record<string, {description: string}> = JSON.parse(read('package.json')).oclif.topics

/** Whether a command of this topic opens a bus, or imports code about buses. Otherwise no fault and no kind of bus concerns it. */
const usesBus = (topic: string) =>
  /\bopenBus\b|\/target\/bus\.ts'|\/transport\//.test(readAll(`src/commands/{${topic}.ts,${topic}/**/*.ts}`))
const isHidden = (id: string) => manifest[id.replace(' ', ':')]?.hidden === true
const ids = [...commands.keys()].filter((id) => !isHidden(id))

/** The rows of the table with this header line. */
function tableOf(text: string, header: string): string[] {
  const after = text.split(`\n${header}\n`)[1] ?? ''
  return after.slice(0, after.indexOf('\n\n')).split('\n').slice(1)
}
const readmeRows = tableOf(read('README.md'), '| command | what it does |')
const promiseCells = tableOf(read('docs/promises.md'), '| command | fault | bus file | NATS | shown by |').map(
  (row) => row.split('|')[1] ?? '',
)
const shapes = read('docs/json-output.md').split('\n## Commands\n')[1]?.split('\n## ')[0] ?? ''
const transcripts = readAll('test/transcripts/*.txt')

/** The inline code in a Markdown text. */
const codeIn = (text: string) => [...text.matchAll(/`([^`]*)`/g)].map(([, code = '']) => code)
const names = (code: string, words: string) => new RegExp(`(^|[\\s\\\\|])${words}(?![\\w-])`).test(code)

describe.each(ids)('the command %s', (id) => {
  const [topic = '', verb = ''] = id.split(' ')

  test('has a summary, and its topic a description', () => {
    expect(manifest[id.replace(' ', ':')]?.summary).toMatch(/\w/)
    if (verb !== '' && !commands.has(topic)) expect(topics[topic]?.description).toMatch(/\w/)
  })

  test('is in the table of the README', () => {
    const rows = readmeRows.filter((row) => row.startsWith(`| \`bus ${topic}`))
    expect(rows.flatMap(codeIn).filter((code) => names(code, verb || topic))).not.toEqual([])
  })

  test('has its output described in docs/json-output.md', () => {
    const isDescribed = (code: string) => (code === 'bench … --json' ? topic === 'bench' : names(code, id))
    expect(codeIn(shapes).filter(isDescribed)).not.toEqual([])
  })

  test.runIf(usesBus(topic))('is covered by a row of docs/promises.md', () => {
    expect(promiseCells.flatMap(codeIn).filter((code) => code === topic || names(code, id))).not.toEqual([])
  })

  test('is run by a test of its topic', () => {
    const tests = readAll(`test/commands/{${topic},${topic}/**/*}.test.ts`)
    expect(tests.includes(`'${verb || topic}'`) || tests.includes(id)).toBe(true)
  })

  test.runIf(usesBus(topic))('is in a transcript', () => {
    expect(transcripts.split('\n').filter((line) => line.startsWith('$ ') && names(line, `bus ${id}`))).not.toEqual([])
  })
})
