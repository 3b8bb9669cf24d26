import {describe, expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'

describe('consumer report', () => {
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
      expect(await json('consumer', 'report', '--sort', 'lag')).toMatchObject([
        {stream: 'B', consumer: 'one', lag: 3, pending: 3, ackPending: 0},
        {stream: 'A', consumer: 'one', lag: 1},
        {lag: 0},
        {lag: 0},
      ])
      expect(await json('consumer', 'report', 'A')).toHaveLength(2)
      await using watching = scene.start(['consumer', 'report', 'A', '--watch', '--every', '200ms', '--json'])
      expect(JSON.parse(await watching.stdoutLine())[0].growth).toBeUndefined()
      for (let n = 0; n < 5; n++) await streams.publish({subject: 'A.x'})
      let growth = 0
      while (growth <= 0) growth = JSON.parse(await watching.stdoutLine())[0].growth
      expect(growth).toBeGreaterThan(0)
      watching.interrupt()
      expect((await watching.ended).code).toBe(0)
      expect((await scene.run(['consumer', 'report', 'none'])).code).toBe(5)
    })
  })
})
