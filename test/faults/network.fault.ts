import {describe, expect, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {storeHeaders} from '../../src/lib/transport/streams.ts'
import {Middleman} from '../middleman.ts'
import {fill, freshBus, moment, rounds, tally} from './tally.ts'

test('a network that drops and resets loses nothing acknowledged, and with message ids doubles nothing', async () => {
  const {url, server} = await freshBus('server')
  await fill(url, 0)
  if (server === undefined) return
  await using middleman = await Middleman.before(server)
  const acknowledged: string[] = []
  let retries = 0
  {
    await using bus = await open(middleman.url, {heartbeatMs: 500})
    let isOver = false
    const faults = (async () => {
      for (let round = 0; round < rounds; round++) {
        await moment(60)
        if (round % 5 === 4) middleman.silence()
        await moment(60)
        middleman.cut()
      }
      isOver = true
    })()
    for (let n = 0; !isOver; n++) {
      const message = {subject: 's.a', data: String(n), headers: [[storeHeaders.msgId, String(n)]] as const}
      const isStored = () =>
        bus.streams.publish(message, {timeoutMs: 300}).then(
          () => true,
          () => false,
        )
      while (!(await isStored())) retries++
      acknowledged.push(String(n))
    }
    await faults
  }
  await using bus = await open(url)
  await using reading = await bus.streams.read('S')
  const stored: string[] = []
  for await (const {text} of reading) stored.push(text)
  const found = tally(`server: ${rounds} cuts and silences (${retries} published again)`, acknowledged, stored)
  expect(found).toMatchObject({lost: 0, duplicated: 0})
})

describe.each(['file', 'server'] as const)('the largest message, on a bus %s', (kind) => {
  test('arrives, and one byte more is refused before it is sent', async () => {
    const {url} = await freshBus(kind)
    await using bus = await open(url)
    await using subscription = await bus.subscribe('big')
    bus.publish({subject: 'big', data: new Uint8Array(bus.maxPayload)})
    await bus.flush()
    const [message] = await subscription.take(1)
    tally(`${kind}: ${bus.maxPayload} bytes`, ['1'], message?.payload.length === bus.maxPayload ? ['1'] : [])
    expect(message?.payload.length).toBe(bus.maxPayload)
    expect(() => bus.publish({subject: 'big', data: new Uint8Array(bus.maxPayload + 1)})).toThrow(/at most/)
    await bus.flush()
  })
})
