import {type AddressInfo, connect, createServer} from 'node:net'
import {describe, expect, it} from 'vitest'
import {open} from '../../../../src/lib/transport/open.ts'
import {startStreams, store} from './streams.ts'

/** A server of a stream with replicas, where the first consumers are on a replica that has no messages yet. */
async function behindProxy(port: number, consumersBehind: number): Promise<{url: string} & AsyncDisposable> {
  let left = consumersBehind
  // Each replacement has the length of the original, so that sizes remain valid.
  const rewritten = (text: string) =>
    text.replaceAll('"num_replicas":1', '"num_replicas":3').replace(/"num_pending":5/, (found) => {
      left--
      return left >= 0 ? '"num_pending":0' : found
    })
  const proxy = createServer((client) => {
    const server = connect(port, '127.0.0.1')
    client.on('error', () => {}).pipe(server.on('error', () => {}))
    server.on('data', (data) => client.write(Buffer.from(rewritten(data.toString('latin1')), 'latin1')))
    server.on('close', () => client.destroy())
    client.on('close', () => server.destroy())
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => proxy.once('listening', resolve))
  const {port: own} = proxy.address() as AddressInfo
  return {url: `nats://127.0.0.1:${own}`, [Symbol.asyncDispose]: async () => void proxy.close()}
}

describe('a read whose consumer is on a replica that lags behind', () => {
  it.each([
    ['everything', {}],
    ['a filter', {filters: ['s.a']}],
    ['a time', {from: {timeMs: 1}}],
    ['the last of each subject', {lastPerSubject: true, filters: ['s.>']}],
  ])('returns all messages of the stream: %s', async (_, range) => {
    await using server = await startStreams()
    await using direct = await open(server.url())
    await direct.streams.add({name: 'S', subjects: ['s.>']})
    for (const n of [1, 2, 3, 4, 5]) await store(direct, 'lastPerSubject' in range ? `s.${n}` : 's.a', [String(n)])
    await using proxy = await behindProxy(server.port(), 2)
    await using bus = await open(proxy.url)
    await using reading = await bus.streams.read('S', range)
    const texts: string[] = []
    for await (const {text} of reading) texts.push(text)
    expect(texts).toEqual(['1', '2', '3', '4', '5'])
  })

  it('ends if no message matches the filter any more', async () => {
    await using server = await startStreams()
    await using direct = await open(server.url())
    await direct.streams.add({name: 'S', subjects: ['s.>']})
    await store(direct, 's.a', ['1', '2', '3', '4', '5'])
    await using proxy = await behindProxy(server.port(), 0)
    await using bus = await open(proxy.url)
    await using reading = await bus.streams.read('S', {filters: ['s.b']})
    expect(await reading.take(1)).toEqual([])
  })
})
