import {describe, expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'

describe('stream report', () => {
  onBothBuses((newScene) => {
    test('is sorted, and has rates between two readings', async () => {
      await using scene = await newScene()
      const {streams} = scene.transport
      for (const [name, count] of [
        ['A', 1],
        ['B', 3],
      ] as const) {
        await streams.add({name, subjects: [`${name}.*`]})
        for (let n = 0; n < count; n++) await streams.publish({subject: `${name}.x`, data: 'abc'})
        await streams.consumers.add(name, {name: 'one'})
        await streams.consumers.add(name, {name: 'two', deliver: 'new'})
      }
      const json = async (...args: string[]) => JSON.parse((await scene.run([...args, '--json'])).stdout)
      expect(await json('stream', 'report')).toMatchObject([
        {stream: 'B', messages: 3, consumers: 2, lag: 3, redelivered: 0},
        {stream: 'A', messages: 1, consumers: 2, lag: 1},
      ])
      expect(await json('stream', 'report', '--sort', 'name')).toMatchObject([{stream: 'A'}, {stream: 'B'}])
      const table = await scene.run(['stream', 'report', '--sort', 'growth', '--every', '100ms'])
      expect(table.stdout).toMatch(/^stream +messages +size +growth +consumers +lag +redelivered +last message\n/)
      expect(table.stdout).toMatch(/^A +1 .* 0\/s /m)
    })
  })
})
