/** A hostile server: whatever it sends, a command ends with one sentence, in time, and with little memory. */
import {readFileSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import {type Running, start} from '../bus.ts'
import {type Behaviour, hostileServer, infoLine} from './hostile-server.ts'

/** Most bytes that a command may use, in KiB: three times what it needs anyway. */
const mostKiB = 400_000
const canMeasure = process.platform === 'linux'

/** Runs a command to its end, and returns its largest resident size as well. */
async function measured(running: Running) {
  let peakKiB = 0
  const look = setInterval(() => {
    try {
      const [, kib] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${running.pid}/status`, 'utf8')) ?? []
      peakKiB = Math.max(peakKiB, Number(kib ?? 0))
    } catch {
      // It has ended.
    }
  }, 50)
  const ended = await running.ended
  clearInterval(look)
  return {...ended, peakKiB}
}

async function run(args: readonly string[], behaviour: Behaviour) {
  await using server = await hostileServer(behaviour)
  await using running = start([...args, '--bus', server.url, '--timeout', '2s', '--connect-timeout', '2s'])
  const ended = await measured(running)
  return {...ended, connects: server.connects}
}

const sentences = (stderr: string) => stderr.split('\n').filter((line) => line.startsWith('bus: '))

describe.each([false, true])('a hostile server (WebSocket: %s)', (isWebSocket) => {
  test.each([
    ['null', 'INFO null\r\n', /its INFO is not valid/],
    ['a list', 'INFO []\r\n', /its INFO is not valid/],
    ['half an object', 'INFO {"a":\r\n', /its INFO is not valid/],
    ['nothing in it', 'INFO {}\r\n', /its INFO is not valid: "version"/],
    ['no version', infoLine({version: ''}), /its INFO is not valid: "version"/],
    ['an object as version', infoLine({version: {}}), /its INFO is not valid: "version"/],
    ['text as max_payload', infoLine({max_payload: '1'}), /its INFO is not valid: "max_payload"/],
    ['a negative max_payload', infoLine({max_payload: -1}), /its INFO is not valid: "max_payload"/],
    ['text as connect_urls', infoLine({connect_urls: 'x'}), /its INFO is not valid: "connect_urls"/],
    ['a number as address', infoLine({connect_urls: [7]}), /its INFO is not valid: "connect_urls"/],
    ['a URL as address', infoLine({connect_urls: ['http://[x']}), /its INFO is not valid: "connect_urls"/],
    [
      '30,000 addresses',
      infoLine({connect_urls: Array.from({length: 30_000}, (_, i) => `h${i}:1`)}),
      /its INFO is not valid: "connect_urls"/,
    ],
    ['a number as nonce', infoLine({nonce: 5}), /its INFO is not valid: "nonce"/],
    ['text as tls_required', infoLine({tls_required: 'yes'}), /its INFO is not valid: "tls_required"/],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', /not a NATS server/],
    ['two megabytes', `INFO {"version":"${'9'.repeat(2_000_000)}`, /not a NATS server/],
  ])('whose INFO has %s is named in one sentence', async (_, greeting, sentence) => {
    const {code, stderr} = await run(['pub', 'a', 'x'], {greeting, isWebSocket})
    expect({code, sentences: sentences(stderr)}).toEqual({code: 3, sentences: [expect.stringMatching(sentence)]})
    expect(stderr).not.toMatch(/\n\s+at |report this/)
    expect(stderr.length).toBeLessThan(1000)
  })

  test.skipIf(isWebSocket)('that sends data after INFO, before the connection is encrypted, is refused', async () => {
    const greeting = `${infoLine({tls_required: true})}MSG a 1 1\r\nx\r\n`
    const {code, stderr} = await run(['pub', 'a', 'x'], {greeting})
    expect({code, sentences: sentences(stderr)}).toEqual({
      code: 3,
      sentences: [expect.stringMatching(/before the connection was encrypted/)],
    })
  })

  test.each([
    ['an unknown word', 'HELLO 1\r\n'],
    ['a negative size', 'MSG a 1 -5\r\n'],
    ['a huge size', 'MSG a 1 99999999999\r\n'],
    ['headers that are longer than the message', 'HMSG a 1 50 10\r\n'],
    ['a line without a size', 'MSG a\r\n'],
    ['an INFO that is none', 'INFO []\r\n'],
    ['an INFO with wrong addresses', infoLine({connect_urls: ['::::']})],
  ])('that sends %s ends a subscription with one sentence', async (_, line) => {
    const onSubscribe: Behaviour['onSubscribe'] = (client) => void client.send(line)
    const {code, stderr, connects} = await run(['sub', 'a'], {onSubscribe, isWebSocket})
    // Another server of the list may be sound.
    expect({code, connects, sentences: sentences(stderr)}).toEqual({
      code: 3,
      connects: 3,
      sentences: [expect.stringMatching(/the NATS protocol|its INFO is not valid/)],
    })
  })

  test.each([
    ['a line without an end', 'MSG ', 'a'],
    ['an error without an end', '-ERR ', 'a'],
  ])('that sends %s ends a subscription soon', async (_, first, more) => {
    const onSubscribe: Behaviour['onSubscribe'] = (client) => {
      client.send(first)
      client.flood(more)
    }
    const {code, stderr, peakKiB} = await run(['sub', 'a'], {onSubscribe, isWebSocket})
    expect({code, sentences: sentences(stderr)}).toEqual({
      code: 3,
      sentences: [expect.stringMatching(/the NATS protocol/)],
    })
    if (canMeasure) expect(peakKiB).toBeLessThan(mostKiB)
  })

  test.each([
    ['PING', 'PING\r\n'],
    ['+OK', '+OK\r\n'],
    ['INFO', infoLine()],
    ['-ERR', "-ERR 'nobody knows'\r\n"],
    ['a message', 'MSG a 1 5\r\nhello\r\n'],
    ['a large message', `MSG a 1 1000000\r\n${'x'.repeat(1_000_000)}\r\n`],
    ['empty headers', `HMSG a 1 400012 400012\r\nNATS/1.0\r\n${'a:\r\n'.repeat(100_000)}\r\n\r\n`],
  ])('that sends %s for ever does not keep --for from ending it', async (_, line) => {
    const onSubscribe: Behaviour['onSubscribe'] = (client) => client.flood(line)
    const {code, stderr, peakKiB} = await run(['sub', 'a', '--for', '1s', '--raw'], {onSubscribe, isWebSocket})
    expect({code, isShort: stderr.length < 30_000}).toEqual({code: expect.toBeOneOf([0, 3, 6]), isShort: true})
    if (canMeasure) expect(peakKiB).toBeLessThan(line.length > 1000 ? 3 * mostKiB : mostKiB)
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('that sends PING for ever ends on %s', async (signal) => {
    for (const args of [
      ['sub', 'a'],
      ['serve', 'a', '--echo'],
      ['stream', 'ls'],
      ['consumer', 'next', 'S', 'c'],
    ]) {
      const flooding = Promise.withResolvers<void>()
      const onPing: Behaviour['onPing'] = (client) => {
        client.send('PONG\r\n')
        client.flood('PING\r\n')
        flooding.resolve()
      }
      await using server = await hostileServer({isWebSocket, onPing})
      await using running = start([...args, '--bus', server.url, '--timeout', '30s'])
      await flooding.promise
      running.kill(signal)
      const {code, peakKiB} = await measured(running)
      expect({args, code}).toEqual({args, code: expect.toBeOneOf([0, 3, 6, 130])})
      if (canMeasure) expect(peakKiB).toBeLessThan(mostKiB)
    }
  })
})
