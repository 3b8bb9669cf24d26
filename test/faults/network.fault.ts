import {rmSync} from 'node:fs'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {storeHeaders} from '../../src/lib/transport/streams-contract.ts'
import {FaultyProxy} from '../faulty-proxy.ts'
import {start} from '../lib/transport/sqlite/processes.ts'
import {fill, freshBus, moment, rounds, sequences, tally} from './tally.ts'

test('a network that drops and resets loses no acknowledged message, and with message ids duplicates none', async () => {
  const {url, server} = await freshBus('server')
  await fill(url, 0)
  if (server === undefined) return
  await using proxy = await FaultyProxy.before(server)
  const acknowledged: string[] = []
  let retries = 0
  {
    await using bus = await open(proxy.url, {heartbeatMs: 500})
    let isOver = false
    const faults = (async () => {
      for (let round = 0; round < rounds; round++) {
        await moment(60)
        if (round % 5 === 4) proxy.stall()
        await moment(60)
        proxy.cut()
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

test('a server that comes back with an empty store is reported in one sentence, and messages stored from then on arrive', async () => {
  const {url, server} = await freshBus('server')
  const before = await fill(url, 100)
  if (server === undefined) return
  await using bus = await open(url)
  const follower = start('consume', url, 'S', 'c', '10', '60000')
  await follower.atLeast(101)
  await using plain = await bus.subscribe('plain')
  await server.stop('SIGKILL')
  rmSync(join(server.folder, 'jetstream'), {recursive: true})
  await server.run()
  const lost = await bus.streams
    .publish({subject: 's.a', data: 'x'}, {timeoutMs: 5000})
    .catch((error: unknown) => error)
  expect(lost).toMatchObject({exitCode: 5, message: expect.stringContaining('no stream')})
  expect(await follower.ended, follower.stderr()).toBe(5)
  expect(follower.stderr()).toMatch(/S/)
  bus.publish({subject: 'plain', data: 'still here'})
  await bus.flush()
  expect((await plain.take(1))[0]?.text).toBe('still here')
  const after = await fill(url, 100)
  tally('server: restarted with an empty store, before', before, await sequences(bus, 'S'))
  const again = start('consume', url, 'S', 'c', '10', '2000')
  expect(await again.ended, again.stderr()).toBe(0)
  const found = tally('server: restarted with an empty store, after', after, again.lines.slice(1))
  expect(found).toMatchObject({lost: 0, duplicated: 0})
})
