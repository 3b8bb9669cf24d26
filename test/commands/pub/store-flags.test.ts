import {expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'

onBothBuses((newScene) => {
  test('pub --rollup replaces earlier messages of the subject, or all', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'A', 'a.*', '--allow-rollup'])
    for (const subject of ['a.x', 'a.y', 'a.x']) await scene.transport.streams.publish({subject, data: 'x'})
    expect(await scene.run(['pub', 'a.x', 'sum', '--ack', '--rollup', 'subject'])).toMatchObject({code: 0})
    expect((await scene.transport.streams.info('A')).state.messages).toBe(2)
    expect(await scene.run(['pub', 'a.x', 'sum', '--ack', '--rollup', 'all'])).toMatchObject({code: 0})
    expect((await scene.transport.streams.info('A')).state.messages).toBe(1)
    await scene.run(['stream', 'add', 'B'])
    expect(await scene.run(['pub', 'B', 'x', '--ack', '--rollup', 'all'])).toMatchObject({code: 8})
  })

  test('pub stores a message only in the expected stream, and after the expected message of its subject', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'A', 'a.*'])
    const {seq} = await scene.transport.streams.publish({subject: 'a.x', data: 'x'})
    await scene.transport.streams.publish({subject: 'a.y', data: 'x'})
    const pub = ['pub', 'a.x', 'x', '--ack']
    expect(await scene.run([...pub, '--expect-stream', 'B'])).toMatchObject({code: 8})
    expect(await scene.run([...pub, '--expect-last-for-subject', `${seq + 1}`])).toMatchObject({code: 8})
    const expected = [...pub, '--expect-stream', 'A', '--expect-last-for-subject', `${seq}`]
    expect(await scene.run(expected)).toMatchObject({code: 0})
    expect(await scene.run(expected)).toMatchObject({code: 8})
  })

  test('pub --ttl is refused by a stream that does not allow it', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'A'])
    const refused = await scene.run(['pub', 'A', 'x', '--ack', '--ttl', '1h'])
    expect(refused).toMatchObject({code: 8, stderr: expect.stringContaining('per-message TTL is disabled')})
  })

  test('a header that a flag also gives is refused: a store would act on one of them only', async () => {
    await using scene = await newScene()
    for (const [header, flags] of [
      ['nats-ttl: 3s', ['--ttl', '5s']],
      ['Nats-Msg-Id: a', ['--msg-id', 'b']],
      ['Nats-Expected-Stream: A', ['--expect-stream', 'B']],
      ['Nats-Schedule: @every 1s', ['--after', '5s', '--target', 'a.b']],
    ] as const) {
      const {code, stderr} = await scene.run(['pub', 'A', 'x', '--ack', ...flags, '-H', header])
      const name = header.slice(0, header.indexOf(':'))
      expect([code, stderr]).toEqual([2, expect.stringContaining(`the header ${name} is also given by a flag`)])
    }
  })

  test('pub --ttl that a server would refuse, or would end at once, is refused before', async () => {
    await using scene = await newScene()
    const pub = (ttl: string) => scene.run(['pub', 'A', 'x', '--ack', '--ttl', ttl])
    for (const [ttl, sentence] of [
      ['999ms', 'a TTL of 999ms is too short: it is at least 1s'],
      ['73001d', 'a TTL of 73001d is too long: it is at most 73000d'],
    ] as const)
      expect(await pub(ttl)).toMatchObject({code: 2, stderr: expect.stringContaining(sentence)})
  })
})
