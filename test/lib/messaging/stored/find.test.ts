import {expect, test} from 'vitest'
import {findOrMake, findStream, listConsumers} from '../../../../src/lib/messaging/stored/find.ts'
import {filled} from './filled.ts'

test('a stream is found by the subjects that it stores', async () => {
  const {bus} = await filled(0)
  await using _ = bus
  expect(await findStream(bus.streams, ['s.a', 's.*'])).toBe('S')
  expect(await findStream(bus.streams, ['x'], 'OTHER')).toBe('OTHER')
  await expect(findStream(bus.streams, ['s.a', 't.a'])).rejects.toMatchObject({
    kind: 'notFound',
    message: 'no stream stores t.a',
    try: ['bus stream add NAME t.a', 'bus stream ls'],
  })
  await bus.streams.add({name: 'T', subjects: ['t.>']})
  await expect(findStream(bus.streams, ['s.a', 't.a'])).rejects.toMatchObject({
    kind: 'usage',
    message: 's.a t.a is stored by several streams: S, T',
    data: {streams: ['S', 'T']},
  })
})

test('a missing stream is created, and nothing else', async () => {
  const {bus} = await filled(0)
  await using _ = bus
  const wish = (name: string) =>
    findOrMake(
      () => bus.streams.info(name),
      () => bus.streams.add({name}),
    )
  expect(await wish('S')).toMatchObject({found: true, info: {config: {subjects: ['s.>']}}})
  expect(await wish('T')).toMatchObject({found: false, info: {config: {subjects: ['T']}}})
  const bug = new TypeError('x is undefined')
  await expect(
    findOrMake(
      () => Promise.reject(bug),
      () => bus.streams.add({name: 'U'}),
    ),
  ).rejects.toBe(bug)
})

test('consumers are listed for one stream and for all streams', async () => {
  const {bus} = await filled(0)
  await using _ = bus
  await bus.streams.add({name: 'A'})
  for (const [stream, name] of [
    ['S', 'b'],
    ['S', 'a'],
    ['A', 'z'],
  ] as const)
    await bus.streams.consumers.add(stream, {name})
  const names = async (stream?: string) =>
    (await listConsumers(bus.streams, stream)).map(({stream, config}) => `${stream} ${config.name}`)
  expect(await names()).toEqual(['A z', 'S a', 'S b'])
  expect(await names('S')).toEqual(['S a', 'S b'])
})
