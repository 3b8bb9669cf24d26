/**
 * What people see: `test/transcripts/*.txt` are sessions in a shell, each played on a bus file and on a server.
 *
 *     $ COMMAND         what it wrote to stdout follows, what it wrote to stderr after "2> ", then [exit N] if not 0
 *     $ COMMAND &       stays in the background; the session continues once it says that it listens
 *     $ wait %N         what the Nth background command wrote until it ended by itself
 *     $ kill -INT %N    what it wrote until Ctrl-C ended it
 *     ## TEXT           a remark
 *
 * $BUS_URL is the bus, $GATEWAY an address that nothing listens on yet.
 *
 * Where the buses differ, the output stands twice, under [on a bus file] and [on a server]. Times, ids and figures are
 * masked. `vitest run test/transcripts.test.ts -u` writes the output anew: read the diff.
 */
import {mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {root} from './bus.ts'
import {hasTerminals} from './hostile/hostile-text.ts'
import {NatsServer} from './nats-server.ts'
import {Session} from './session.ts'

const transcripts = join(import.meta.dirname, 'transcripts')
const names = readdirSync(transcripts).filter((name) => name.endsWith('.txt'))
const folder = mkdtempSync(join(tmpdir(), 'bus-transcripts-'))
afterAll(() => rmSync(folder, {recursive: true}))

describe('a transcript shows the current output:', () => {
  // Some have many commands: far more time than a quiet machine needs.
  test.each(names)('%s', {timeout: 240_000}, async (name) => {
    const path = join(transcripts, name)
    const lines = inputs(readFileSync(path, 'utf8'))
    const terminal = name.startsWith('terminal')
    if (terminal && !hasTerminals) return
    await using server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
    const home = mkdtempSync(join(folder, 'file-'))
    const sessions = [
      await Session.start(home, `sqlite:${join(home, 'bus.db')}`, terminal),
      await Session.start(mkdtempSync(join(folder, 'nats-')), server.url(), terminal),
    ] as const
    let shown = ''
    try {
      for (const line of lines) {
        shown += `${line}\n`
        if (!line.startsWith('$ ')) continue
        const [onFile, onServer] = await Promise.all(sessions.map((session) => session.play(line.slice(2))))
        shown += onFile === onServer ? onFile : `[on a bus file]\n${onFile}[on a server]\n${onServer}`
      }
    } finally {
      for (const session of sessions) await session[Symbol.asyncDispose]()
    }
    await expect(shown).toMatchFileSnapshot(path)
  })
})

/** These succeed only in a cluster, or never on a bus file; test/commands has them. */
const needsServers = /^(server |account |stream (step-down|peer-rm)$|consumer step-down$)/

describe('in the transcripts', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8'))
  const commands: {id: string; hidden: boolean}[] = Object.values(manifest.commands)
  const all = names.map((name) => readFileSync(join(transcripts, name), 'utf8')).join('')
  const blocks = all.split(/^(?=\$ )/m)

  test.each(commands.filter(({hidden}) => !hidden).map(({id}) => id.replaceAll(':', ' ')))(
    'bus %s succeeds once and fails once',
    (id) => {
      const played = blocks.filter((block) => new RegExp(`\\bbus ${id}(?=\\s|$)`).test(block.split('\n', 1)[0] ?? ''))
      if (!needsServers.test(id)) expect(played.filter((block) => !block.includes('\n[exit '))).not.toEqual([])
      expect(played.filter((block) => block.includes('\n[exit '))).not.toEqual([])
    },
  )
})

/** The lines of a transcript that are not output: commands, remarks and the empty lines around remarks. */
function inputs(text: string): string[] {
  const isRemark = (line = '') => line.startsWith('## ')
  return text
    .split('\n')
    .filter((line, i, all) => (line === '' ? isRemark(all[i - 1]) || isRemark(all[i + 1]) : /^(\$|##) /.test(line)))
}
