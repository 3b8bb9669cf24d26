import {writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'

describe('stream copy', () => {
  onBothBuses((newScene) => {
    test('copies the configuration, changed by flags, and nothing else', async () => {
      await using scene = await newScene()
      const {streams} = scene.transport
      await streams.add({name: 'A', subjects: ['a.*'], maxAgeMs: 3_600_000, maxMsgs: 5, denyDelete: true})
      await streams.publish({subject: 'a.x'})
      await streams.consumers.add('A', {name: 'c'})
      const copy = (...args: string[]) => scene.run(['stream', 'copy', ...args, '--json'])
      expect(JSON.parse((await copy('A', 'B', 'b.*', '--max-msgs', '7')).stdout)).toMatchObject({
        config: {name: 'B', subjects: ['b.*'], maxAgeMs: 3_600_000, maxMsgs: 7, denyDelete: true},
        state: {messages: 0, consumers: 0},
      })
      expect((await copy('A', 'C')).code).toBe(2)
      expect((await copy('A', 'C', 'a.*')).code).toBe(2)
      expect((await copy('none', 'C', 'c.*')).code).toBe(5)
      expect((await streams.list()).map(({config}) => config.name)).toEqual(['A', 'B'])
    })

    test('a consumer is created from a file as well, changed by flags', async () => {
      await using scene = await newScene()
      const {consumers} = scene.transport.streams
      await scene.transport.streams.add({name: 'A', subjects: ['a.*']})
      await consumers.add('A', {name: 'c', maxDeliver: 4, filters: ['a.x'], deliver: 'new', ack: 'all'})
      const path = join(tmpdir(), `consumer-${process.pid}.json`)
      writeFileSync(path, (await scene.run(['consumer', 'info', 'A', 'c', '--json'])).stdout)
      await scene.run(['consumer', 'add', 'A', 'd', '--config', path, '--ack-wait', '5s'])
      expect((await consumers.info('A', 'd')).config).toMatchObject({
        ...{name: 'd', maxDeliver: 4, filters: ['a.x'], deliver: 'new', ack: 'all', ackWaitMs: 5000},
      })
      writeFileSync(path, '{"config":{"maxDelivery":4}}')
      expect((await scene.run(['consumer', 'add', 'A', 'e', '--config', path])).stderr).toContain('"maxDelivery"')
    })

    test('options of a server are passed to it, and refused by a bus file', async () => {
      await using scene = await newScene()
      await scene.transport.streams.add({name: 'A', subjects: ['a.*']})
      const args = [
        'consumer',
        'add',
        'A',
        'c',
        '--sample',
        '50%',
        '--max-request-batch',
        '9',
        '--replay-policy',
        'original',
      ]
      const {code, stderr} = await scene.run(args)
      if (scene.transport.features.failures)
        expect([code, stderr]).toEqual([2, 'bus: only a NATS server has the option max_batch\n'])
      else
        expect((await scene.transport.streams.consumers.info('A', 'c')).config.other).toMatchObject({
          max_batch: 9,
          sample_freq: '50',
          replay_policy: 'original',
        })
    })
  })
})
