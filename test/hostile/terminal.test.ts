import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as pause} from 'node:timers/promises'
import {afterAll, describe, expect, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {bus, start} from '../bus.ts'
import {NatsServer} from '../nats-server.ts'
import {astray, hasTerminals, onTerminal, own, publishRaw, trick, tricks} from './hostile-text.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-hostile-'))
const server = await NatsServer.start((home) => `jetstream {store_dir: "${home}/js"}`)
const transport = await open(server.url())
// A subject and names may contain no spaces, but a server accepts all other control characters.
const subject = `evil.${trick.replace(/\s/g, '')}`
await transport.streams.add({name: 'EVIL', subjects: ['evil.>'], description: trick})
await publishRaw(
  server.port(),
  subject,
  `NATS/1.0\r\n${trick.replace(/[\r\n]/g, '')}: ${trick.replace('\r', '')}\r\n\r\n`,
  trick,
)
await publishRaw(server.port(), 'evil.json', '', JSON.stringify({a: trick, b: ['\x9b', '\u202e']}))
await transport.request({
  subject: '$JS.API.CONSUMER.CREATE.EVIL',
  data: JSON.stringify({
    stream_name: 'EVIL',
    config: {name: 'c', durable_name: 'c', ack_policy: 'explicit', description: trick},
  }),
})
afterAll(async () => {
  await transport.close()
  await echoing
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})
const evilName = `N${tricks[0]}${tricks[5]}`
const config = {name: evilName, subjects: ['named.>'], storage: 'memory'}
await publishRaw(server.port(), `$JS.API.STREAM.CREATE.${evilName}`, '', JSON.stringify(config))
const consumer = {stream_name: 'EVIL', config: {name: evilName, durable_name: evilName, ack_policy: 'explicit'}}
await publishRaw(server.port(), `$JS.API.CONSUMER.CREATE.EVIL.${evilName}`, '', JSON.stringify(consumer))
const at = ['--bus', server.url()]

// A stream of another server, of which the user is asked whether to copy there.
const other = await NatsServer.start((home) => `server_name: "o\\x1b[2J", jetstream {store_dir: "${home}/js"}`)
afterAll(() => other[Symbol.asyncDispose]())
const elsewhere = {name: `N${tricks[5]}`, subjects: ['evil.>'], storage: 'memory'}
await publishRaw(other.port(), `$JS.API.STREAM.CREATE.${elsewhere.name}`, '', JSON.stringify(elsewhere))
await publishRaw(other.port(), 'evil.here', '', 'x')

const echo = await transport.subscribe(['echo', 'loom.rpc.echo.a.b'])
const echoing = (async () => {
  for await (const {reply} of echo) if (reply !== undefined) transport.publish({subject: reply, data: trick})
})()
const quoted = JSON.stringify(trick)
writeFileSync(
  join(folder, 'hostile.yaml'),
  `name: ${quoted}
checks:
  - {name: ${quoted}, req: {subject: echo, body: ${quoted}}, expect: [text = "x"]}
  - {name: ${JSON.stringify(`b${trick}`)}, req: {subject: echo}, expect: {text: ${quoted}}}
`,
)
writeFileSync(join(folder, 'faulty.yaml'), `name: n\n${quoted}: 1\nchecks:\n  - {name: a, ${quoted}: 1}\n`)
const record = {subject: trick, text: trick, headers: {[trick]: trick}, [trick]: trick}
writeFileSync(join(folder, 'hostile.ndjson'), `${JSON.stringify(record)}\n`)
const contexts = join(folder, '.config/busline/contexts')
mkdirSync(contexts, {recursive: true})
writeFileSync(join(contexts, 'evil.json'), JSON.stringify({url: server.url(), description: trick, user: trick}))
writeFileSync(join(contexts, 'faulty.json'), JSON.stringify({url: trick, [trick]: trick}))
writeFileSync(join(contexts, `n${tricks[0]}.json`), JSON.stringify({url: server.url()}))
const read = ['sub', 'evil.>', '--from', 'first', '-n', '2', ...at]

const looks: readonly (readonly string[])[] = [
  read,
  [...read, '--json'],
  [...read, '--headers-only'],
  [...read, '--subjects-only'],
  [...read, '--subjects-only', '--json'],
  [...read, '--format', '{subject} {headers} {text} {json.a} {json}'],
  [...read, '--select', 'text'],
  [...read, '--select', '$', '--json'],
  [...read, '--select', 'text', '--json'],
  [...read, '--where', '$uppercase(bytes)', '--for', '300ms'],
  ['stream', 'ls', ...at],
  ['stream', 'ls', '--json', ...at],
  ['stream', 'info', 'EVIL', ...at],
  ['stream', 'info', 'EVIL', '--json', ...at],
  ['stream', 'subjects', 'EVIL', ...at],
  ['stream', 'subjects', 'EVIL', '--json', ...at],
  ['stream', 'get', 'EVIL', '1', ...at],
  ['stream', 'get', 'EVIL', '1', '--json', ...at],
  ['consumer', 'ls', ...at],
  ['consumer', 'info', 'EVIL', 'c', ...at],
  ['consumer', 'info', 'EVIL', 'c', '--json', ...at],
  ['consumer', 'next', 'EVIL', 'c', '--peek', ...at],
  ['consumer', 'replay', 'EVIL', '--dry-run', ...at],
  ['doctor', ...at],
  ['pub', trick, 'x', ...at],
  ['stream', 'info', trick, ...at],
  ['sub', 'a', '--context', trick],
  [trick],
  ...[
    [],
    ['--report', 'tap'],
    ['--report', 'junit'],
    ['--report', 'json'],
    ['--report', 'github'],
    ['--report', 'prometheus'],
  ].map((flags) => ['check', join(folder, 'hostile.yaml'), ...flags, ...at]),
  ['check', join(folder, 'faulty.yaml'), ...at],
  ['check', join(folder, 'hostile.yaml'), '--dry-run', ...at],
  ['context', 'ls'],
  ['context', 'show', 'evil'],
  ['context', 'show', 'faulty'],
  ['context', 'check', 'evil'],
  ['events', 'ls', ...at],
  ['events', 'ls', '--json', ...at],
  ['events', 'info', 'EVIL', evilName, ...at],
  ['rpc', 'call', 'echo', '--any', ...at],
  ['rpc', 'call', 'loom.rpc.echo.a.b', '{}', ...at],
  ['consumer', 'replay', 'EVIL', '--into', other.url(), ...at],
  ['consumer', 'replay', 'EVIL', '--on-error', 'skip', '--exec', ...at, '--', 'false'],
  ['stream', 'purge', evilName, ...at],
  ['bench', 'sub', 'evil.>', '--for', '300ms', ...at],
  ['pub', '--records', join(folder, 'hostile.ndjson'), ...at],
]

describe.runIf(hasTerminals)('on a terminal', () => {
  test.each(looks)(
    'no control sequence of a message or name takes effect: bus %s %s %s %s %s %s %s',
    async (...args) => {
      const shown = await onTerminal(args, {HOME: folder})
      expect(shown.replaceAll(own, '')).not.toMatch(astray)
      expect(shown).not.toBe('')
    },
  )

  test('the names of streams, consumers and methods are shown escaped', async () => {
    await using services = await transport.subscribe('$SRV.INFO')
    const answering = (async () => {
      for await (const {reply} of services) {
        const info = {endpoints: [{subject: `loom.rpc.svc.${tricks[0]}.${tricks[5]}`}]}
        if (reply !== undefined) transport.publish({subject: reply, data: JSON.stringify(info)})
      }
    })()
    for (const args of [
      ['stream', 'ls'],
      ['consumer', 'ls', 'EVIL'],
      ['rpc', 'ls'],
    ]) {
      const shown = await onTerminal([...args, ...at])
      expect(shown).toContain('\\x1b[2J')
      expect(shown).not.toMatch(astray)
    }
    await services.close()
    await answering
  })

  test('rpc ls --watch escapes the names of services that it finds later', async () => {
    const shown = onTerminal(['rpc', 'ls', '--watch', '--for', '2s', ...at])
    const until = Date.now() + 1500
    while (Date.now() < until) {
      await publishRaw(server.port(), `loom.rpc.sv${tricks[0]}.in${tricks[2]}.me${tricks[5]}th`, '', '{}')
      await pause(200)
    }
    expect(await shown).toContain('\\')
    expect(await shown).not.toMatch(astray)
  })

  test('events listen and events serve --stdout escape events', async () => {
    const url = join(folder, 'events.db')
    const home = {HOME: folder}
    await bus(['stream', 'add', 'E', 'e.>', '-b', url])
    await bus(['pub', 'e.a', '-', '--ack', '-b', url], {stdin: trick})
    await bus(['events', 'add', 'E', 'so', '--transport', 'stdout', '--first-event', 'oldest', '-b', url])
    await using gateway = start(['events', 'serve', '--ws', '127.0.0.1:0', '-b', url], {env: home})
    const gate = (await gateway.stderrLine('listening on ')).slice('listening on '.length)
    const listen = ['events', 'listen', gate, '--namespace', 'E', '--first-event', 'oldest', '-n', '1']
    for (const flags of [['--json'], []]) {
      const shown = await onTerminal([...listen, ...flags], home)
      expect(shown).toContain('\\')
      expect(shown).not.toMatch(astray)
    }
    const records = await onTerminal(['events', 'serve', '--stdout', '-b', url], home, 3000)
    expect(records).toContain('\\u001b')
    expect(records).not.toMatch(astray)
  })

  test('the output of a program is escaped', async () => {
    const url = join(folder, 'programs.db')
    await bus(['stream', 'add', 'P', 'p.>', '-b', url])
    await bus(['pub', 'p.a', '-', '--ack', '-b', url], {stdin: trick})
    const talk = [
      '--exec',
      '--',
      'sh',
      '-c',
      'cat; printf "\\033]52;c;aGk=\\007\\033]8;;http://evil\\007\\302\\2332J" >&2',
    ]
    await bus(['consumer', 'add', 'P', 'c', '-b', url])
    const shown = await onTerminal(['consumer', 'replay', 'P', 'c', '-b', url, ...talk])
    expect(shown).toContain('\\u001b[2J')
    expect(shown).toContain('\\u001b]52;c;')
    expect(shown).not.toMatch(astray)
  })

  test('control characters that the user typed in --format and --delimiter are written unchanged', async () => {
    expect(await onTerminal([...read, '--format', '{subject}\\e[1m\\r'])).toContain('\x1b[1m\r')
  })

  test('only --raw writes a payload unchanged', async () => {
    expect(await onTerminal([...read, '--raw'])).toContain(trick.replaceAll('\n', '\r\n'))
  })

  test('no control sequence in a reply, its headers or its error takes effect', async () => {
    await using answering = await transport.subscribe('answer.*')
    const answer = (async () => {
      for await (const {subject: asked, reply} of answering) {
        const error = asked.endsWith('error') ? ([['Nats-Service-Error', trick.replace(/[\r\n]/g, '')]] as const) : []
        if (reply !== undefined) transport.publish({subject: reply, data: trick, headers: [['X', tricks[0]], ...error]})
        await transport.flush()
      }
    })()
    for (const flags of [[], ['--json']]) {
      for (const which of ['plain', 'error']) {
        const shown = await onTerminal(['req', `answer.${which}`, '', ...flags, ...at])
        expect(shown).not.toMatch(astray)
        expect(shown).toContain(flags.includes('--json') ? '\\u001b' : '\\x1b')
      }
    }
    await answering.close()
    await answer
  })
})

describe('in a pipe', () => {
  test('human-readable messages and errors are escaped, and data for programs is exact', async () => {
    const human = await bus(read)
    expect(human.stdout).not.toMatch(astray)
    expect((await bus(['pub', trick, 'x', ...at])).stderr).not.toMatch(astray)
    const [line = ''] = (await bus([...read, '--json'])).stdout.split('\n')
    expect(JSON.parse(line)).toMatchObject({subject, text: trick})
    expect((await bus([...read, '--raw'])).stdout).toContain(trick)
    expect((await bus([...read, '--format', '{text}\\n'])).stdout).toContain(trick)
  })

  test('serve shows the subjects of requests escaped', async () => {
    await using service = start(['serve', 'svc.>', '--echo', '-n', '1', ...at])
    await service.stderrLine('listening on ')
    await publishRaw(server.port(), `svc.${tricks[0]}`, `NATS/1.0\r\nX: ${tricks[1]}\r\n\r\n`, trick)
    const {code, stdout, stderr} = await service.ended
    expect(code).toBe(0)
    expect(stdout + stderr).not.toMatch(astray)
    expect(stdout).toContain('svc.\\x1b[2J')
  })
})
