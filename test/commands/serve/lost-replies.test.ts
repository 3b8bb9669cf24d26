/** A connection that breaks while replies are in flight loses these replies, and does not end the service. */

import {once} from 'node:events'
import {createServer, connect as dial, type Server, type Socket} from 'node:net'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {openMessenger} from '../../../src/lib/protocols/messenger/messenger.ts'
import {bus, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

let server: NatsServer
let relay: Server
let relayUrl: string
/** The relay breaks the connection that sends a reply. */
let isBreaking = false

beforeAll(async () => {
  server = await NatsServer.start()
  relay = createServer((client) => {
    const upstream = dial(server.port(), '127.0.0.1')
    const end = () => [client, upstream].forEach((socket: Socket) => void socket.destroy())
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end)
    upstream.on('data', (data) => client.write(data))
    client.on('data', (data) => {
      if (isBreaking && /PUB _INBOX/.test(data.toString('latin1'))) return end()
      upstream.write(data)
    })
  })
  await once(relay.listen(0, '127.0.0.1'), 'listening')
  relayUrl = `nats://127.0.0.1:${(relay.address() as {port: number}).port}`
})
afterAll(async () => {
  relay.close()
  await server[Symbol.asyncDispose]()
})

async function lostThenAnswered(subject: string): Promise<void> {
  isBreaking = true
  expect(await bus(['req', subject, 'hi', '-t', '1s', '-b', server.url()])).toMatchObject({code: 6, stdout: ''})
  isBreaking = false
  const again = async () => bus(['req', subject, 'hi', '-b', server.url()])
  let {code, stdout} = await again()
  // The service is reconnecting.
  while (code === 7) ({code, stdout} = await again())
  expect({code, stdout}).toEqual({code: 0, stdout: 'Hello\n'})
}

test('bus serve continues and reports it', async () => {
  await using service = start(['serve', 'lost.a', 'Hello', '-b', relayUrl])
  await service.stderrLine('listening')
  await lostThenAnswered('lost.a')
  service.interrupt()
  const {code, stderr} = await service.ended
  expect([code, stderr]).toEqual([0, expect.stringContaining('broke while a message was in flight')])
})

test('Messenger.serve continues and reports it', async () => {
  const failures: unknown[] = []
  await using messenger = await openMessenger(relayUrl, {onError: (error) => failures.push(error)})
  await messenger.serve('lost.b', () => 'Hello')
  await lostThenAnswered('lost.b')
  expect(String(failures)).toContain('broke while a message was in flight')
})
