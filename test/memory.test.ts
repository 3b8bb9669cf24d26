/** The memory of commands that read and copy messages of 8 MB: bounded in bytes, however many messages there are. */
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {objectStream} from '../src/lib/messaging/objects/settings.ts'
import {open} from '../src/lib/transport/open.ts'
import {startLine} from './bus.ts'
import {NatsServer} from './nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-memory-'))
const probe = join(folder, 'probe.cjs')
const peak = join(folder, 'peak')
writeFileSync(
  probe,
  `process.on('exit', () => {
    process.getBuiltinModule('fs').writeFileSync('${peak}', String(process.resourceUsage().maxRSS))
  })`,
)

const count = 40
let server: NatsServer
beforeAll(async () => {
  server = await NatsServer.start((at) => `max_payload: 9437184\njetstream {store_dir: "${at}"}`)
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

describe.skipIf(process.platform !== 'linux').each([
  ['a NATS server', () => server.url()],
  ['a bus file', () => join(folder, 'bus.db')],
])('with 320 MB in messages of 8 MB on %s, the memory', (_, url) => {
  beforeAll(async () => {
    await using bus = await open(url())
    await bus.streams.add({name: 'BIG', subjects: ['big'], dedupeMs: 1000})
    await bus.streams.consumers.add('BIG', {name: 'next'})
    const data = 'x'.repeat(8 * 1024 * 1024)
    for (let n = 0; n < count; n++) await bus.streams.publish({subject: 'big', data})
  })

  it.each(['put', 'get'])('of object %s stays as small with 300 MB', async (what) => {
    const object = what === 'put' ? 'put files - --name big' : 'get files big'
    const pipe = what === 'put' ? 'head -c 300000000 /dev/zero |' : ''
    await using bus = await open(url())
    await bus.streams.add(objectStream({name: 'files'}))
    const words = `${pipe} bus object ${object} --quiet -b '${url()}' >/dev/null`
    await using running = startLine(words, {env: {NODE_OPTIONS: `--require ${probe}`}})
    const {code, stderr} = await running.ended
    expect(code, stderr).toBe(0)
    expect(Number(readFileSync(peak, 'utf8')) / 1024).toBeLessThan(200)
  })

  it.each([
    `sub big --from first -n ${count} --raw`,
    `consumer replay BIG --raw`,
    'consumer replay BIG all --create --raw',
    'consumer replay BIG each --create --exec -- wc -c',
    `consumer next BIG next -n ${count} --raw -t 60s`,
  ])('of %s stays far below that', async (line) => {
    const [command, program] = line.split(' -- ')
    const words = `bus ${command} --quiet -b '${url()}' ${program === undefined ? '' : `-- ${program}`} >/dev/null`
    await using running = startLine(words, {env: {NODE_OPTIONS: `--require ${probe}`}})
    const {code, stderr} = await running.ended
    expect(code, stderr).toBe(0)
    expect(Number(readFileSync(peak, 'utf8')) / 1024).toBeLessThan(170)
  })
})
