import {setTimeout as sleep} from 'node:timers/promises'
import {describe, expect, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {Database} from '../../src/lib/transport/sqlite/database.ts'
import {isBusy} from '../../src/lib/transport/sqlite/db.ts'
import {bus as run} from '../bus.ts'
import {start} from '../lib/transport/sqlite/processes.ts'
import {fill, freshBus, moment, sequences, tally} from './tally.ts'

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

  test('of a publisher loses nothing that a stream acknowledged, and blocks no other process', async () => {
    const {url} = await freshBus(kind)
    await fill(url, 0)
    const publisher = await frozenPublisher(url, kind === 'file' ? 'between transactions' : 'anywhere')
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

test('SIGSTOP of a publisher inside its transaction ends other processes after ten seconds, and loses nothing', async () => {
  const {url} = await freshBus('file')
  await fill(url, 0)
  const publisher = await frozenPublisher(url, 'inside a transaction')
  const other = await run(['pub', 's.b', 'x', '--ack', '--timeout', '20s', '--bus', url])
  expect(other).toMatchObject({code: 3, stdout: ''})
  expect(other.stderr).toContain('was locked by another process for 10 s')
  publisher.child.kill('SIGCONT')
  await publisher.atLeast(publisher.lines.length + 10)
  expect(await run(['pub', 's.b', 'x', '--ack', '--bus', url])).toMatchObject({code: 0})
  publisher.child.kill('SIGKILL')
  await publisher.ended
  await using bus = await open(url)
  const found = tally('file: publisher frozen inside its transaction', publisher.lines, await sequences(bus, 'S'))
  expect(found.lost).toBe(0)
})

/** Starts a publisher, and stops it repeatedly until it is stopped at this place. */
async function frozenPublisher(url: string, where: 'anywhere' | 'between transactions' | 'inside a transaction') {
  const publisher = start('store', url, 's.a')
  await publisher.atLeast(100)
  for (;;) {
    publisher.child.kill('SIGSTOP')
    await sleep(20)
    if (where === 'anywhere' || isLocked(url) === (where === 'inside a transaction')) return publisher
    publisher.child.kill('SIGCONT')
    await moment(20)
  }
}

function isLocked(path: string): boolean {
  const db = new Database(path, {timeout: 0})
  try {
    db.exec('BEGIN IMMEDIATE')
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw error
  } finally {
    db.close()
  }
}
