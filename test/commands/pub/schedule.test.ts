import {describe, expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'

describe('pub of a message that is published later', () => {
  onBothBuses((newScene) => {
    test('is stored by a server that allows it, and refused otherwise', async () => {
      await using scene = await newScene()
      const {streams, features} = scene.transport
      await streams.add({name: 'S', subjects: ['s.>']})
      const later = (...args: string[]) => scene.run(['pub', 's.later', 'hello', '--ack', ...args])
      const refused = await later('--after', '1s', '--target', 's.now')
      expect(refused).toMatchObject({code: 2, stderr: expect.stringMatching(/publish(es nothing|ing) later/)})
      expect((await streams.info('S')).state.messages).toBe(0)
      expect((await later('--after', '1s')).code).toBe(2)
      expect((await later('--target', 's.now')).code).toBe(2)
      expect((await later('--at', '2020-01-01', '--target', 's.now')).stderr).toContain('is over')
      if (features.failures) return
      const allowed = await scene.run(['stream', 'edit', 'S', '--allow-schedules'])
      // Servers before 2.12.
      if (allowed.code !== 0) return
      await using following = await streams.read('S', {follow: true, filters: ['s.now']})
      expect((await later('--after', '1s', '--target', 's.now')).code).toBe(0)
      const [message] = await following.take(1)
      expect(message?.text).toBe('hello')
      expect((await later('--at', '2030-01-01T06:00Z', '--target', 's.now')).code).toBe(0)
      const {headers} = await streams.last('S', 's.later')
      expect(headers).toContainEqual(['Nats-Schedule', '@at 2030-01-01T06:00:00.000Z'])
      expect(headers).toContainEqual(['Nats-Schedule-Target', 's.now'])
    })
  })
})
