import {renameSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {describe, expect, onTestFinished, test} from 'vitest'
import {BusError} from '../../src/lib/core/errors.ts'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {startCommand, temporaryFolder} from '../lib/transport/sqlite/processes.ts'
import {fill, freshBus, sequences, tally, until} from './tally.ts'

const programs = new URL('../lib/transport/sqlite/programs.ts', import.meta.url).pathname
const preload = new URL('shifted-clock.ts', import.meta.url).href
const hourMs = 3_600_000
const jumps = [hourMs, 0, -hourMs, 0, hourMs, -hourMs, hourMs, 0]

/** Our processes with a wall clock that jumps; the clock of a nats-server does not. */
function underJumps() {
  const path = join(temporaryFolder(), 'shift')
  const set = (shiftMs: number) => {
    writeFileSync(`${path}.new`, String(shiftMs))
    renameSync(`${path}.new`, path)
  }
  set(0)
  return {
    set,
    start(...args: string[]) {
      process.env['CLOCK_SHIFT'] = path
      onTestFinished(() => void delete process.env['CLOCK_SHIFT'])
      return startCommand(process.execPath, ['--import', preload, programs, ...args])
    },
  }
}

describe.each(['file', 'server'] as const)('clocks that jump an hour forward and back, on a bus %s', (kind) => {
  test('lose nothing that was acknowledged, and block no process', async () => {
    const {url} = await freshBus(kind)
    await fill(url, 0)
    const clock = underJumps()
    const publisher = clock.start('store', url, 's.a', '25')
    const consumer = clock.start('settle', url, 'S', 'c', '500')
    const subscriber = clock.start('subscribe', url, 'plain')
    const server = clock.start('serve', url, 'echo')
    await Promise.all([publisher.atLeast(100), consumer.atLeast(100), subscriber.atLeast(1), server.atLeast(1)])
    await using bus = await open(url)
    let highest = 0
    const [sent, answers] = [[] as string[], {answered: 0, failed: 0}]
    for (const jump of jumps) {
      clock.set(jump)
      if (kind === 'file') await until(async () => Math.abs((await aheadMs(bus)) - Math.max(0, jump, highest)) < 60_000)
      highest = Math.max(highest, jump)
      const before = [publisher.lines.length, consumer.lines.length]
      for (let n = 0; n < 50; n++) {
        const data = String(sent.length)
        bus.publish({subject: 'plain', data})
        await bus.flush()
        sent.push(data)
        const reply = await bus.request({subject: 'echo', data}, {timeoutMs: 2000}).catch((error: unknown) => error)
        if (reply instanceof BusError) answers.failed++
        else answers.answered++
        await sleep(10)
      }
      await publisher.atLeast((before[0] ?? 0) + 50)
      await consumer.atLeast((before[1] ?? 0) + 50)
    }
    clock.set(0)
    publisher.child.kill('SIGKILL')
    await publisher.ended
    expect(await consumer.ended, consumer.stderr()).toBe(0)
    await subscriber.atLeast(sent.length + 1)
    const stored = tally(`${kind}: clock jumps, publisher`, publisher.lines, await sequences(bus, 'S'))
    const consumed = tally(`${kind}: clock jumps, durable consumer`, await sequences(bus, 'S'), consumer.lines)
    const plain = tally(`${kind}: clock jumps, subscriber`, sent, subscriber.lines.slice(1))
    expect([stored.lost, stored.duplicated, consumed.lost]).toEqual([0, 0, 0])
    expect(plain).toMatchObject({lost: 0, duplicated: 0})
    expect(answers).toEqual({answered: sent.length, failed: 0})
  })
})

test('a clock that is set back an hour does not delay the redelivery of unacknowledged messages', async () => {
  const {url} = await freshBus('file')
  const stored = await fill(url, 100)
  const clock = underJumps()
  clock.set(hourMs)
  const hoarder = clock.start('hoard', url, 'S', 'c', '100')
  await hoarder.atLeast(1)
  clock.set(0)
  const consumer = clock.start('consume', url, 'S', 'c', '50', '4000')
  expect(await consumer.ended, consumer.stderr()).toBe(0)
  expect(tally('file: clock set back', stored, consumer.lines.slice(1))).toMatchObject({lost: 0, duplicated: 0})
})

/** How much the time of the newest message is ahead of now: times in the log never decrease. */
async function aheadMs(bus: Transport): Promise<number> {
  return ((await bus.streams.info('S')).state.lastTime ?? 0) - Date.now()
}
