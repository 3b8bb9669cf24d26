import {expect, test} from 'vitest'
import {Bucket} from '../../../src/lib/messaging/kv/bucket.ts'
import {bucketStream} from '../../../src/lib/messaging/kv/settings.ts'
import {onBothBuses} from '../../both-buses.ts'

onBothBuses((newScene) => {
  test('of several processes that create a key at once exactly one succeeds', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add(bucketStream({name: 'b'}))
    const values = ['1', '2', '3', '4']
    const ended = await Promise.all(values.map((value) => scene.run(['kv', 'create', 'b', 'lock', value])))
    expect(ended.map(({code}) => code).sort()).toEqual([0, 9, 9, 9])
    const winner = values[ended.findIndex(({code}) => code === 0)]
    expect((await scene.run(['kv', 'get', 'b', 'lock'])).stdout).toBe(winner)
  })

  test('a counter that several processes update by its revision loses nothing', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add(bucketStream({name: 'b'}))
    const bucket = new Bucket(scene.transport.streams, 'b')
    await bucket.put('n', '0')
    const add = async () => {
      for (;;) {
        const entry = await bucket.get('n')
        const done = await bucket.update('n', String(Number(entry?.value) + 1), entry?.revision ?? 0)
        if (done !== undefined) return
      }
    }
    await Promise.all(Array.from({length: 10}, add))
    expect((await bucket.get('n'))?.value).toBe('10')
  })

  test('a watch misses no change that is made while it starts', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add(bucketStream({name: 'b'}))
    const bucket = new Bucket(scene.transport.streams, 'b')
    for (let i = 0; i < 50; i++) await bucket.put(`k.${i}`, '0')
    const reading = await bucket.read({follow: true})
    const writing = (async () => {
      for (let round = 1; round <= 5; round++) for (let i = 0; i < 50; i++) await bucket.put(`k.${i}`, String(round))
    })()
    const last = new Map<string, number>()
    while ([...last.values()].filter((value) => value === 5).length < 50) {
      for (const message of await reading.take(100)) {
        const {key, value} = bucket.entry(message)
        expect(Number(value)).toBeGreaterThanOrEqual(last.get(key) ?? 0)
        last.set(key, Number(value))
      }
    }
    await writing
    await reading.close()
    expect(last.size).toBe(50)
  })
})
