import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {root} from '../bus.ts'
import {startCommand} from '../lib/transport/sqlite/processes.ts'
import {fill, freshBus, moment, rounds, sequences, tally} from './tally.ts'

const program = join(root, 'bin', 'run.js')

describe.each(['file', 'server'] as const)('kill -9, on a bus %s', (kind) => {
  test('of commands that change streams and consumers leaves each change done or not done', async () => {
    const {url} = await freshBus(kind)
    const stored = await fill(url, 5000)
    await using bus = await open(url)
    await bus.streams.add({name: 'T', subjects: ['t.>']})
    await using publisher = bus.streams.publisher()
    for (let n = 0; n < 20_000; n++) await publisher.push({subject: `t.${n % 100}`, data: String(n)})
    await publisher.flush()
    const changes = (round: number) => [
      ['stream', 'add', `N${round}`, `n${round}.>`],
      ['stream', 'purge', 'T', '--keep', String(20_000 - 300 * (round + 1)), '--yes'],
      ['consumer', 'add', 'S', `d${round}`],
      ['consumer', 'reset', 'S', 'c', '--to', 'first', '--yes'],
      ['consumer', 'rm', 'S', `d${round - 1}`, '--yes'],
    ]
    const kills = Math.ceil(rounds / 5)
    let killed = 0
    for (let round = 0; round < kills; round++) {
      const running = changes(round).map((args) => startCommand(process.execPath, [program, ...args, '-b', url]))
      await moment(1000)
      for (const {child} of running) child.kill('SIGKILL')
      for (const {ended} of running) if ((await ended) === 'SIGKILL') killed++
    }
    for (const {config, state} of await bus.streams.list()) {
      expect((await sequences(bus, config.name)).length, config.name).toBe(state.messages)
      const consumers = await bus.streams.consumers.list(config.name)
      for (const {config: consumer, pending} of consumers) {
        if (consumer.durable) expect(pending, consumer.name).toBe(state.messages)
      }
    }
    const name = `${kind}: changes of streams and consumers, ${killed} of ${5 * kills} killed`
    expect(tally(name, stored, await sequences(bus, 'S')).lost).toBe(0)
    expect((await bus.examine?.())?.file?.damage ?? []).toEqual([])
  })
})
