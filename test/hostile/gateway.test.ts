/** The memory of a gateway whose clients request everything at once and read nothing. */
import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {connect, type Socket} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as pause} from 'node:timers/promises'
import {afterAll, describe, expect, onTestFinished, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {bus, start} from '../bus.ts'
import {NatsServer} from '../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-gateway-'))
const server = await NatsServer.start((home) => `jetstream {store_dir: "${home}/js"}`)
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

const messages = 150
const megabyte = 'x'.repeat(1_000_000)

async function filled(url: string): Promise<string> {
  await using transport = await open(url)
  await transport.streams.add({name: 'BIG', subjects: ['big']})
  for (let n = 0; n < messages; n++) await transport.streams.publish({subject: 'big', data: megabyte})
  return url
}

/** A client that reads nothing after the handshake. */
async function deaf(url: string, query: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  socket.write(
    `GET /?namespace=BIG&ephemeral&firstevent=oldest&withdata&${query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  )
  await new Promise((resolve) => socket.once('readable', resolve))
  return socket
}

/** A masked text frame of fewer than 126 bytes. */
function frame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, text.length | 0x80, 0, 0, 0, 0]), Buffer.from(text)])
}

function mebibytes(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  return Number(new RegExp(`${what}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

const start10 = frame(
  '{"type":"start","namespace":"BIG","ephemeral":true,"options":{"firstEvent":"oldest","readAhead":9999}}',
)

describe.runIf(process.platform === 'linux').each([
  ['a bus file', async () => filled(join(folder, 'big.db'))],
  ['NATS', async () => filled(server.url())],
])('a gateway on %s', async (_, fill) => {
  const url = await fill()

  test.each([
    ['read ahead', 'readahead=65535', undefined],
    ['have events acknowledged by the gateway', 'readahead=65535&autoack', undefined],
    ['have large batches', 'batch&readahead=65535&batchtimeout=1s', undefined],
    ['acknowledge what they have not read', 'readahead=65535', frame('{"type":"ack"}')],
    ['have many subscriptions', 'readahead=65535', start10],
  ])('holds few bytes for clients that %s and read nothing', async (_case, query, more) => {
    await using gateway = start(['events', 'serve', '--ws', '127.0.0.1:0', '--allow-anonymous', '-b', url])
    const address = (await gateway.stderrLine('listening on ')).slice('listening on '.length)
    const before = mebibytes(gateway.pid, 'VmRSS')
    const clients = await Promise.all([1, 2, 3].map(() => deaf(address, query)))
    for (let n = 0; n < 15; n++) {
      await pause(100)
      if (more !== undefined && (n < 10 || more !== start10)) for (const client of clients) client.write(more)
    }
    expect(mebibytes(gateway.pid, 'VmHWM') - before).toBeLessThan(500)
  })

  test('delivers all events to a client that reads', async () => {
    await using gateway = start(['events', 'serve', '--ws', '127.0.0.1:0', '--allow-anonymous', '-b', url])
    const address = (await gateway.stderrLine('listening on ')).slice('listening on '.length)
    const listen = ['events', 'listen', address, '--namespace', 'BIG', '--first-event', 'oldest', '--read-ahead', '999']
    const {code, stdout} = await bus([...listen, '-n', String(messages), '--format', '{subject}\\n'])
    expect([code, stdout.split('\n').length - 1]).toEqual([0, messages])
  })
})
