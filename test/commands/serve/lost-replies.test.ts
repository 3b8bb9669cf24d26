/** A connection that breaks while replies are in flight loses these replies, and does not end the service. */

import {once} from 'node:events'
import {createServer, connect as dial, type Server, type Socket} from 'node:net'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {openMessenger} from '../../../src/lib/protocols/messenger/messenger.ts'
import {open} from '../../../src/lib/transport/open.ts'
import {bus, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

let server: NatsServer
let relay: Server
let relayUrl: string
/** The relay breaks a connection that sends this. */
let breaking: RegExp | undefined

beforeAll(async () => {
  server = await NatsServer.start()
  relay = createServer((client) => {
    const upstream = dial(server.port(), '127.0.0.1')
    const end = () => [client, upstream].forEach((socket: Socket) => void socket.destroy())
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end)
    upstream.on('data', (data) => client.write(data))
    client.on('data', (data) => {
      if (breaking?.test(data.toString('latin1'))) return end()
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
  breaking = /PUB _INBOX/
  expect(await bus(['req', subject, 'hi', '-t', '1s', '-b', server.url()])).toMatchObject({code: 6, stdout: ''})
  breaking = undefined
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

describe('messages that several callers have in flight when the connection breaks', () => {
  beforeAll(() => {
    breaking = /PUB two/
  })
  afterAll(() => {
    breaking = undefined
  })

  test('are not reported as sent by any flush', async () => {
    await using transport = await open(relayUrl)
    const sent = ['two.a', 'two.b'].map((subject) => {
      transport.publish({subject})
      return transport.flush()
    })
    expect((await Promise.allSettled(sent)).map(({status}) => status)).toEqual(['rejected', 'rejected'])
  })

  test('are not reported as sent by Messenger.publish', async () => {
    await using messenger = await openMessenger(relayUrl)
    const sent = ['two.a', 'two.b', 'two.c'].map((subject) => messenger.publish(subject, 'x'))
    expect((await Promise.allSettled(sent)).map(({status}) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  })
})
