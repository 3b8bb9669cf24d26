import {setTimeout as sleep} from 'node:timers/promises'
import {describe, expect, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {start} from '../lib/transport/sqlite/processes.ts'
import {fill, freshBus, sequences, tally} from './tally.ts'

const frozenMs = 10_000

describe.each(['file', 'server'] as const)('SIGSTOP for ten seconds, on a bus %s', (kind) => {
  test('of a subscriber loses nothing', async () => {
    const {url} = await freshBus(kind)
    const count = 20_000
    const subscriber = start('subscribe', url, 'load', String(count))
    await subscriber.atLeast(1)
    subscriber.child.kill('SIGSTOP')
    const numbers = Array.from({length: count}, (_, n) => String(n))
    await using bus = await open(url)
    for (const data of numbers) bus.publish({subject: 'load', data})
    await bus.flush()
    await sleep(frozenMs)
    subscriber.child.kill('SIGCONT')
    expect(await subscriber.ended).toBe(0)
    const found = tally(`${kind}: subscriber frozen`, numbers, subscriber.lines.slice(1))
    expect(found).toMatchObject({lost: 0, duplicated: 0})
  })

  test('of a publisher loses nothing that a stream acknowledged, and holds up nobody', async () => {
    const {url} = await freshBus(kind)
    await fill(url, 0)
    const publisher = start('store', url, 's.a')
    await publisher.atLeast(100)
    publisher.child.kill('SIGSTOP')
    await using bus = await open(url)
    const until = performance.now() + frozenMs
    let others = 0
    let slowestMs = 0
    while (performance.now() < until) {
      const began = performance.now()
      await bus.streams.publish({subject: 's.b', data: 'x'})
      slowestMs = Math.max(slowestMs, performance.now() - began)
      others++
      await sleep(20)
    }
    publisher.child.kill('SIGCONT')
    await publisher.atLeast(publisher.lines.length + 10)
    publisher.child.kill('SIGKILL')
    await publisher.ended
    const name = `${kind}: publisher frozen (${others} of another, the slowest ${Math.round(slowestMs)} ms)`
    expect(tally(name, publisher.lines, await sequences(bus, 'S')).lost).toBe(0)
  })
})
