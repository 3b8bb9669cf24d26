import {execFileSync} from 'node:child_process'
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {createFile} from '../../src/lib/transport/testing/bus-file.ts'
import {startServer} from '../../src/lib/transport/testing/nats-server.ts'
import {isAlive, root} from '../bus.ts'

const program = execFileSync(process.execPath, [join(root, 'scripts/nats-server.js')], {encoding: 'utf8'}).trim()

test('a server for a test has JetStream, starts again with its messages, and leaves nothing behind', async () => {
  const server = await startServer({program})
  const {pid} = server
  await using bus = await open(server.url)
  await bus.streams.add({name: 'S', subjects: ['s.>']})
  await bus.streams.publish({subject: 's.a', data: 'kept'})
  await server.stop()
  expect(isAlive(pid)).toBe(false)
  await server.restart()
  await expect.poll(async () => (await bus.streams.get('S', 1).catch(() => undefined))?.text).toBe('kept')
  await server[Symbol.asyncDispose]()
  expect(isAlive(server.pid)).toBe(false)
})

test('a server for a test takes lines of configuration, and the program from the environment', async () => {
  const {NATS_SERVER: given = ''} = process.env
  process.env['NATS_SERVER'] = program
  onTestFinished(() => {
    process.env['NATS_SERVER'] = given
  })
  await using server = await startServer({jetstream: false, config: 'authorization {token: t}'})
  await expect(open(server.url)).rejects.toMatchObject({kind: 'denied'})
  await (await open(server.url, {login: {token: 't'}})).close()
})

test('a server that cannot be started is reported in one sentence', async () => {
  await expect(startServer({program: '/nowhere/nats-server'})).rejects.toMatchObject({kind: 'notFound'})
  await expect(startServer({program, config: 'nonsense {'})).rejects.toMatchObject({kind: 'connect'})
  await expect(startServer({program, signal: AbortSignal.abort()})).rejects.toMatchObject({kind: 'interrupted'})
})

test.each(['sqlite', 'libbus'] as const)('a file for a test of kind %s is a bus, and is removed', async (kind) => {
  const file = await createFile(kind)
  await using bus = await open(file.url)
  await using messages = await bus.subscribe('a')
  bus.publish({subject: 'a', data: 'x'})
  await bus.flush()
  expect((await messages.take(1)).map(({text}) => text)).toEqual(['x'])
  await bus.close()
  await file[Symbol.asyncDispose]()
  expect(existsSync(file.path)).toBe(false)
})
