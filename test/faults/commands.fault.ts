/** kill -9 of the commands that forward stored messages, as users run them. */
import {existsSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {describe, expect, test} from 'vitest'
import type {Transport} from '../../src/lib/transport/contract.ts'
import {open} from '../../src/lib/transport/open.ts'
import {root, bus as run, start} from '../bus.ts'
import {Socket} from '../lib/protocols/event-delivery/socket.ts'
import {startCommand, temporaryFolder} from '../lib/transport/sqlite/processes.ts'
import {fill, freshBus, moment, rounds, tally, until} from './tally.ts'

describe.each(['file', 'server'] as const)('kill -9, on a bus %s', (kind) => {
  test('of consumer replay into a file and into a program delivers each message at least once', async () => {
    const {url} = await freshBus(kind)
    const folder = temporaryFolder()
    const total = 300 * rounds
    await fill(url, total)
    await using bus = await open(url)
    await bus.streams.consumers.add('S', {name: 'programs', ackWaitMs: 1000})
    const [toFile, toPrograms] = [join(folder, 'lines'), join(folder, 'programs')]
    const replays = (round: number | string) => [
      replay(url, `c --raw --rate 2000/s > "${toFile}.${round}"`),
      replay(url, `programs --exec -- sh -c 'read n && echo "$n" >> "$0"' "${toPrograms}"`),
    ]
    for (let round = 0; round < rounds; round++) {
      const running = replays(round)
      const hasBegun = until(() => wholeLines(`${toFile}.${round}`).length > 0)
      await Promise.race([hasBegun, ...running.map(({ended}) => ended)])
      await moment(100)
      for (const {child} of running) child.kill('SIGKILL')
      await Promise.all(running.map(({ended}) => ended))
    }
    // Programs take time, so the remaining messages are shown as lines.
    const last = replay(url, `c --raw > "${toFile}.last"`)
    const rest = replay(url, `programs --raw > "${toPrograms}.last"`)
    expect([await last.ended, await rest.ended], last.stderr() + rest.stderr()).toEqual([0, 0])
    const all = Array.from({length: total}, (_, n) => String(n))
    const lines = [...Array.from({length: rounds}, (_, n) => String(n)), 'last'].flatMap((each) =>
      wholeLines(`${toFile}.${each}`),
    )
    const found = tally(`${kind}: consumer replay > file killed ${rounds} times`, all, lines)
    expect(found.lost).toBe(0)
    const handed = [...wholeLines(toPrograms), ...wholeLines(`${toPrograms}.last`)]
    const handled = tally(`${kind}: consumer replay --exec killed ${rounds} times`, all, handed)
    expect(handled.lost).toBe(0)
    // At most the messages that a program was handling.
    expect(handled.duplicated).toBeLessThanOrEqual(rounds)
  })

  test('of the events gateway loses nothing: the next one continues after the acknowledged events', async () => {
    const {url} = await freshBus(kind)
    const seqs = await fillOrders(url, 100 * rounds)
    const added = await run(['events', 'add', 'ORDERS', 'app', ...options, '-b', url])
    expect(added.code, added.stderr).toBe(0)
    const acknowledged: string[] = []
    for (let round = 0; round <= rounds; round++) {
      await using gateway = start(['events', 'serve', '--ws', '127.0.0.1:0', '--allow-anonymous', '-b', url])
      const address = (await gateway.stderrLine('listening on ')).slice('listening on '.length)
      await using socket = await acknowledging(address, acknowledged)
      await until(() => socket.frames.length > 0 || new Set(acknowledged).size === seqs.length)
      if (round === rounds) await until(() => new Set(acknowledged).size === seqs.length)
      else await moment(100)
      gateway.kill('SIGKILL')
      await gateway.ended
    }
    const found = tally(`${kind}: events gateway killed ${rounds} times`, seqs, acknowledged)
    expect(found.lost).toBe(0)
    const first = acknowledged.filter((seq, at) => acknowledged.indexOf(seq) === at)
    expect(first).toEqual(seqs)
  })
})

const program = join(root, 'bin', 'run.js')
const options = ['--first-event', 'oldest', '--read-ahead', '19']

function replay(url: string, rest: string) {
  const line = `exec "$0" "$1" consumer replay S -b "$2" ${rest}`
  return startCommand('sh', ['-c', line, process.execPath, program, url])
}

/** Without the incomplete line of a killed process. */
function wholeLines(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
}

async function fillOrders(url: string, count: number): Promise<string[]> {
  await using bus: Transport = await open(url)
  await bus.streams.add({name: 'ORDERS', subjects: ['orders.>']})
  const seqs: number[] = []
  await using publisher = bus.streams.publisher({onStored: (_, {seq}) => void seqs.push(seq)})
  for (let n = 0; n < count; n++) await publisher.push({subject: 'orders.new', data: String(n)})
  await publisher.flush()
  return seqs.sort((a, b) => a - b).map(String)
}

/** Acknowledges every event, one after the other, until its gateway is gone. */
async function acknowledging(url: string, acknowledged: string[]): Promise<Socket> {
  const socket = await Socket.open(url)
  socket.start()
  void (async () => {
    for (let n = 1; ; n++) {
      const event = await socket.last(n)
      acknowledged.push(String(event.sequence))
      socket.ack(event)
      await sleep(1)
    }
  })()
  return socket
}
