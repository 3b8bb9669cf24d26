import {expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'

onBothBuses((newScene) => {
  test('consumer edit changes settings, and shows them before with --dry-run', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'ORDERS', 'orders.>'])
    await scene.run(['consumer', 'add', 'ORDERS', 'billing', '--max-deliver', '3'])
    const edit = ['consumer', 'edit', 'ORDERS', 'billing', '--ack-wait', '2m', '--unset', 'max-deliver']
    expect(await scene.run([...edit, '--dry-run'])).toMatchObject({
      code: 9,
      stdout: '- ack-wait 30s\n+ ack-wait 2m\n- max-deliver 3\n+ max-deliver none\n',
    })
    expect(await scene.run(edit)).toMatchObject({code: 0, stderr: 'changed consumer billing of ORDERS\n'})
    const {config} = await scene.transport.streams.consumers.info('ORDERS', 'billing')
    expect(config).toMatchObject({ackWaitMs: 120_000})
    expect(config.maxDeliver).toBeUndefined()
    expect(await scene.run([...edit, '--dry-run'])).toMatchObject({code: 0, stdout: ''})
    const refused = await scene.run(['consumer', 'edit', 'ORDERS', 'billing', '--ack', 'none'])
    expect(refused).toMatchObject({code: 2})
  })

  test('a paused consumer delivers nothing until consumer resume, and its state is shown', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'ORDERS'])
    await scene.run(['consumer', 'add', 'ORDERS', 'billing'])
    await scene.transport.streams.publish({subject: 'ORDERS', data: 'x'})
    const paused = await scene.run(['consumer', 'pause', 'ORDERS', 'billing', '--for', '1h'])
    expect(paused).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^consumer billing of ORDERS is paused until /),
    })
    const info = JSON.parse((await scene.run(['consumer', 'info', 'ORDERS', 'billing', '--json'])).stdout)
    expect(info).toMatchObject({stalled: ['paused'], lag: 1})
    const next = ['consumer', 'next', 'ORDERS', 'billing', '-r', '-t', '3s']
    expect(await scene.run([...next.slice(0, -1), '200ms'])).toMatchObject({code: 6})
    const resumed = await scene.run(['consumer', 'resume', 'ORDERS', 'billing'])
    expect(resumed).toMatchObject({stderr: 'consumer billing of ORDERS delivers again and has a lag of 1\n'})
    expect(await scene.run(next)).toMatchObject({code: 0, stdout: 'x'})
    const over = await scene.run(['consumer', 'pause', 'ORDERS', 'billing', '--until', '2001-01-01T00:00Z'])
    expect(over).toMatchObject({code: 2, stderr: expect.stringContaining('is over')})
    const stepDown = await scene.run(['consumer', 'step-down', 'ORDERS', 'billing', '--yes'])
    expect(stepDown).toMatchObject({code: 2, stderr: expect.stringContaining('no other server has a copy of consumer')})
    const unpin = await scene.run(['consumer', 'unpin', 'ORDERS', 'billing', 'workers'])
    expect(unpin).toMatchObject({code: 5, stderr: expect.stringContaining('no priority group workers')})
  })
})
