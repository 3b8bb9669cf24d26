import {existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {bus, start} from '../bus.ts'
import {NatsServer} from '../nats-server.ts'
import {publishRaw} from './hostile-text.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-hostile-'))
const server = await NatsServer.start((home) => `jetstream {store_dir: "${home}/js"}`)
const at = ['--bus', server.url()]
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

/** Would create a file if a shell interpreted it, or if it were taken as an argument. */
const owned = join(folder, 'owned')
const hostile = [
  `$(touch ${owned})`,
  `\`touch ${owned}\``,
  `; touch ${owned} #`,
  `| touch ${owned}`,
  `'"; touch ${owned}; "'`,
  '--help',
  '-e',
  '\n--version',
  '$BUS_SUBJECT',
  '%s\\x41',
]
const asToken = (text: string) => text.replace(/[\s.*>]/g, '_')

const program = join(folder, 'program.cjs')
writeFileSync(
  program,
  'const {env, argv} = process; process.stdout.write(JSON.stringify({argv: argv.slice(2), subject: env.BUS_SUBJECT, reply: env.BUS_REPLY, header: env.BUS_HEADER_X, path: env.PATH, preload: env.LD_PRELOAD, options: env.NODE_OPTIONS}))',
)
const given = ['fixed', '{subject}', '$HOME', `$(touch ${owned})`, '', '--', '*']

describe('a program that handles a message', () => {
  test.each(hostile)('gets exactly the arguments given, without a shell: %j', async (text) => {
    await using transport = await open(server.url())
    const subject = `run.${asToken(text)}`
    await using service = start([
      'serve',
      'run.>',
      ...at,
      '-n',
      '1',
      '--exec',
      '--',
      process.execPath,
      program,
      ...given,
    ])
    await service.stderrLine('listening on ')
    const headers = [
      ['X', text.trim()],
      ['PATH', text.trim()],
      ['LD-PRELOAD', 'x'],
      ['NODE_OPTIONS', '--bad'],
    ] as const
    const reply = await transport.request({subject, data: text, headers}, {timeoutMs: 10_000})
    expect(JSON.parse(reply.text)).toMatchObject({argv: given, subject, header: text.trim(), path: process.env['PATH']})
    expect(JSON.parse(reply.text)).not.toHaveProperty('preload')
    expect(JSON.parse(reply.text)).not.toHaveProperty('options')
    expect(existsSync(owned)).toBe(false)
  })

  test('gets subject and headers in its environment, whatever they contain', async () => {
    await using service = start([
      'serve',
      'raw.>',
      ...at,
      '-n',
      '1',
      '--json',
      '--exec',
      '--',
      process.execPath,
      program,
    ])
    await service.stderrLine('listening on ')
    await publishRaw(server.port(), 'raw.\x1b[2J inbox', 'NATS/1.0\r\nX: a\0b\nc\r\n=: 1\r\nA=B: 2\r\n\r\n', '\0\xff')
    const {code, stderr} = await service.ended
    expect({code, stderr}).toMatchObject({code: 0, stderr: expect.not.stringContaining('    at ')})
  })

  test('gets the same from a replay and from events', async () => {
    await using transport = await open(server.url())
    await transport.streams.add({name: 'P', subjects: ['p.>']})
    for (const text of hostile) await transport.streams.publish({subject: `p.${asToken(text)}`, data: text})
    const out = await bus(['consumer', 'replay', 'P', ...at, '--exec', '--', process.execPath, program, ...given])
    expect(out.code).toBe(0)
    const seen = out.stdout
      .split(/(?<=\})(?=\{)|\n/)
      .filter(Boolean)
      .map((line) => JSON.parse(line))
    expect(seen.map(({argv}) => argv)).toEqual(hostile.map(() => given))
    expect(seen.map(({subject}) => subject)).toEqual(hostile.map((text) => `p.${asToken(text)}`))
    expect(existsSync(owned)).toBe(false)
  })

  describe('that cannot be given a message', () => {
    const poison = [
      ['a NUL in its subject', 'a\0b', '', /the subject or the reply subject contains a NUL/],
      ['headers that are too long', 'b', `NATS/1.0\r\nX: ${'\x01'.repeat(60_000)}\r\n\r\n`, /headers are too long/],
    ] as const
    let streams = 0

    /** A stream of two messages, the first of which no program can be given. */
    async function poisoned(subject: string, headers: string): Promise<string> {
      await using transport = await open(server.url())
      const name = `Q${++streams}`
      await transport.streams.add({name, subjects: [`${name}.>`]})
      await transport.streams.consumers.add(name, {name: 'c'})
      await publishRaw(server.port(), `${name}.${subject}`, headers, 'one')
      await transport.streams.publish({subject: `${name}.next`, data: 'two'})
      return name
    }

    test.each(poison)('because of %s refuses only that message', async (_, subject, headers, reason) => {
      const name = await poisoned(subject, headers)
      const replay = ['consumer', 'replay', name, 'c', ...at]
      const stopped = await bus([...replay, '--exec', '--', 'cat'])
      expect(stopped).toMatchObject({code: 8, stdout: '', stderr: expect.stringMatching(reason)})
      const dead = join(folder, `${name}.ndjson`)
      const aside = await bus([
        ...replay,
        '--on-error',
        'retry',
        '--max-deliver',
        '3',
        '--dead',
        dead,
        '--exec',
        '--',
        'cat',
      ])
      expect(aside).toMatchObject({code: 8, stdout: 'two', stderr: expect.stringMatching(reason)})
      expect(JSON.parse(readFileSync(dead, 'utf8'))).toMatchObject({text: 'one'})
      const again = await bus([...replay, '--exec', '--', 'cat'])
      expect(again).toMatchObject({code: 0, stdout: ''})
    })

    test.each(poison)(
      'because of %s rejects only that event, which becomes a dead letter',
      async (_, subject, headers) => {
        const name = await poisoned(subject, headers)
        await using transport = await open(server.url())
        await transport.streams.add({name: `DEAD${name}`, subjects: [`dead.${name}.>`]})
        const options = ['--first-event', 'oldest', '--max-rejects', '2', '--dead-letter', 'dead.{subject}']
        expect(await bus(['events', 'add', name, 'so', '--transport', 'exec', ...options, ...at])).toMatchObject({
          code: 0,
        })
        await using gateway = start(['events', 'serve', ...at, '--exec', '--', 'sh', '-c', 'cat; echo'])
        expect(await gateway.stdoutLine('two')).toBe('two')
        const letter = await bus(['stream', 'get', `DEAD${name}`, '1', '--raw', ...at])
        expect(letter).toMatchObject({code: 0, stdout: 'one'})
      },
    )
  })
})
