/** The console blocks of the README, typed from top to bottom, print the text below each command, on both buses. */
import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {type Ended, type Running, root, startLine} from './bus.ts'
import {NatsServer} from './nats-server.ts'

interface Typed {
  readonly line: string
  /** The text below it in the README. */
  readonly shown: string
}

/** The command lines of all console blocks, each with the lines below it. */
function consoleBlocks(text: string): Typed[] {
  const blocks = [...text.matchAll(/^```console\n(.*?)^```$/gms)]
  return blocks.flatMap(([, block = '']) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const end = part.indexOf('\n')
        return {line: part.slice(0, end), shown: part.slice(end + 1)}
      }),
  )
}

/** Types the lines in order: a subscription keeps running beside later lines, and is stopped at the end if necessary. */
async function type(lines: readonly Typed[], env: Record<string, string>): Promise<Typed[]> {
  await using going = new AsyncDisposableStack()
  const typed: (Typed & {running: Running})[] = []
  for (const {line, shown} of lines) {
    const running = going.use(startLine(line, {env, cwd: env['HOME']}))
    typed.push({line, shown, running})
    await Promise.race([running.ended, running.stderrLine('listening on ').catch(() => undefined)])
  }
  const printed: Typed[] = []
  for (const {line, shown, running} of typed) {
    // A service shows one line per request, which is ignored.
    const isService = /^bus (rpc )?serve/.test(line) && shown === ''
    if (isService) running.interrupt()
    const {code, stdout, stderr}: Ended = await running.ended
    expect(code, `${line}\n${stderr}`).toBe(0)
    printed.push({line, shown: isService ? '' : stdout})
  }
  return printed
}

const blocks = consoleBlocks(readFileSync(join(root, 'README.md'), 'utf8'))

test('the README shows two terminals that share a bus', () => {
  expect(blocks.map(({line}) => line.split(' ', 2).join(' '))).toEqual(
    expect.arrayContaining(['bus sub', 'bus pub', 'bus serve', 'bus req']),
  )
})

test('the examples of the README work without any configuration', async () => {
  const home = mkdtempSync(join(tmpdir(), 'readme-'))
  try {
    expect(await type(blocks, {HOME: home, XDG_STATE_HOME: join(home, 'state')})).toEqual(blocks)
  } finally {
    rmSync(home, {recursive: true})
  }
})

test('the examples of the README work on a server', async () => {
  await using server = await NatsServer.start()
  expect(await type(blocks, {HOME: server.folder, BUS_URL: server.url()})).toEqual(blocks)
})
