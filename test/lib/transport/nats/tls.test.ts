import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {type AddressInfo, createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import type {TlsOptions} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {daysFromNow, makeAuthority} from '../../../certificates.ts'
import {lacks, NatsServer} from '../../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'busline-tls-'))
const ca = makeAuthority(folder)
const otherCa = makeAuthority(folder, 'other CA')
const byName = ca.issue('by-name', {hosts: ['localhost']})
const byAddress = ca.issue('by-address', {hosts: ['127.0.0.1']})
const old = ca.issue('old', {hosts: ['127.0.0.1'], from: daysFromNow(-3), to: daysFromNow(-2)})
const client = ca.issue('client')
const stranger = otherCa.issue('stranger')
const noFirst = await lacks(2, 10)

function tls({cert, key}: {cert: string; key: string}, more = ''): string {
  return `tls { cert_file: "${cert}", key_file: "${key}", ${more} }`
}
const verify = `ca_file: "${ca.cert}", verify: true`

const servers = {
  byName: await NatsServer.start(tls(byName)),
  byAddress: await NatsServer.start(tls(byAddress)),
  old: await NatsServer.start(tls(old)),
  verified: await NatsServer.start(tls(byAddress, verify)),
  first: await NatsServer.start(tls(byAddress, noFirst ? '' : 'handshake_first: true')),
  plain: await NatsServer.start(),
  webSocket: await NatsServer.start(`websocket { listen: "127.0.0.1:-1", ${tls(byAddress, verify)} }`),
}
afterAll(async () => {
  for (const server of Object.values(servers)) await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

async function roundTrip(url: string, options?: TlsOptions, connectTimeoutMs = 2000): Promise<string | undefined> {
  await using bus = await open(url, {tls: options, connectTimeoutMs})
  await using subscription = await bus.subscribe('a')
  bus.publish({subject: 'a', data: 'in'})
  return (await subscription.take(1))[0]?.text
}

async function failure(url: string, options?: TlsOptions, connectTimeoutMs?: number): Promise<BusError> {
  const error = await roundTrip(url, options, connectTimeoutMs).catch((error: unknown) => error)
  if (!(error instanceof BusError)) throw new Error(`no failure of ours: ${error}`)
  return error
}

type Case = [
  name: string,
  server: keyof typeof servers,
  url: Parameters<NatsServer['url']>[0],
  options: TlsOptions | undefined,
]
const caFile = ca.cert
const asClient = {caFile, certFile: client.cert, keyFile: client.key}

describe('TLS options at ws://', () => {
  it.each<[name: string, options: TlsOptions]>([
    ['a CA', {caFile}],
    ['a client certificate', asClient],
    ['TLS first', {first: true}],
  ])('(%s) are refused before anything is sent', async (_, options) => {
    let received = 0
    const server = createServer((socket) => socket.on('data', (bytes) => (received += bytes.length)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const {port} = server.address() as AddressInfo
    for (const url of [`ws://u:pw@127.0.0.1:${port}`, `wss://u:pw@127.0.0.1:${port},ws://u:pw@127.0.0.1:${port}`]) {
      const error = await failure(url, options)
      expect([error.kind, error.message]).toEqual(['usage', expect.stringContaining('but ws:// has no TLS')])
      expect(error.message + error.try.join()).not.toContain('pw')
    }
    expect(received).toBe(0)
    server.close()
  })
})

describe('TLS', () => {
  it.each<Case>([
    ['with a private CA', 'byAddress', {}, {caFile}],
    ['with a private CA and tls://', 'byAddress', {scheme: 'tls'}, {caFile}],
    ['to a server that is called by its name', 'byName', {host: 'localhost'}, {caFile}],
    ['that takes any certificate', 'byName', {}, {insecure: true}],
    ['that takes one which has expired', 'old', {}, {insecure: true}],
    ['that takes any certificate, at a server without TLS', 'plain', {}, {insecure: true}],
    ['with a client certificate', 'verified', {}, asClient],
    ['over WebSockets with a private CA and a client certificate', 'webSocket', {scheme: 'wss'}, asClient],
    [
      'over WebSockets, taking any certificate',
      'webSocket',
      {scheme: 'wss'},
      {...asClient, caFile: undefined, insecure: true},
    ],
  ])('with %s is accepted', async (_, server, url, options) => {
    expect(await roundTrip(servers[server].url(url), options)).toBe('in')
  })

  it.skipIf(noFirst)(`that starts before the server greets is accepted${noFirst}`, async () => {
    expect(await roundTrip(servers.first.url(), {caFile, first: true})).toBe('in')
    const error = await failure(servers.first.url(), {caFile}, 200)
    expect(error).toMatchObject({kind: 'connect', message: expect.stringContaining('no answer within 200 ms')})
    expect(error.try).toContainEqual(expect.stringContaining('--tls-first'))
  })

  it.each<[...Case, kind: string, sentence: string]>([
    ['with a CA that is not known', 'byAddress', {}, undefined, 'connect', 'an unknown CA'],
    ['with the wrong CA', 'byAddress', {}, {caFile: otherCa.cert}, 'connect', 'an unknown CA'],
    ['to an address that the certificate does not name', 'byName', {}, {caFile}, 'connect', 'is for another host'],
    [
      'to a name that the certificate does not name',
      'byAddress',
      {host: 'localhost'},
      {caFile},
      'connect',
      'is for another host',
    ],
    ['with a certificate that has expired', 'old', {}, {caFile}, 'connect', 'its certificate has expired'],
    ['without the client certificate', 'verified', {}, {caFile}, 'denied', 'it requires a client certificate'],
    [
      'with a stranger’s client certificate',
      'verified',
      {},
      {caFile, certFile: stranger.cert, keyFile: stranger.key},
      'denied',
      'it requires a client certificate',
    ],
    ['where there is none', 'plain', {scheme: 'tls'}, undefined, 'connect', 'does not speak TLS'],
    ['where there is none, with a CA', 'plain', {}, {caFile}, 'connect', 'does not speak TLS'],
    [
      'before the server says anything, where there is none',
      'plain',
      {},
      {first: true},
      'connect',
      'does not speak TLS',
    ],
    [
      'over WebSockets with a CA that is not known',
      'webSocket',
      {scheme: 'wss'},
      undefined,
      'connect',
      'an unknown CA',
    ],
    [
      'over WebSockets without the client certificate',
      'webSocket',
      {scheme: 'wss'},
      {caFile},
      'denied',
      'it requires a client certificate',
    ],
  ])('with %s is refused in a sentence, and quickly', async (_, server, url, options, kind, sentence) => {
    const began = performance.now()
    const error = await failure(servers[server].url(url), options)
    expect(error).toMatchObject({kind, message: expect.stringContaining(sentence)})
    expect(error.message).toContain(servers[server].url(url))
    expect(performance.now() - began).toBeLessThan(4000)
  })

  it.each<[string, TlsOptions, string]>([
    ['CA file that is not there', {caFile: '/nowhere/ca.pem'}, '/nowhere/ca.pem: there is no such file'],
    ['CA file that is none', {caFile: join(folder, 'junk.pem')}, 'not a PEM file'],
    ['certificate without its key', {certFile: client.cert}, 'needs its key'],
    ['key without its certificate', {keyFile: client.key}, 'needs its certificate'],
    ['key of another certificate', {certFile: client.cert, keyFile: stranger.key}, 'cannot be used'],
  ])('with a %s is refused before anything is sent', async (_, options, sentence) => {
    writeFileSync(join(folder, 'junk.pem'), 'junk')
    expect(await failure('nats://127.0.0.1:1', options)).toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(sentence),
    })
  })
})
