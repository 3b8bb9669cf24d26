import {expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'
import {lacks} from '../../nats-server.ts'

const noMetadata = await lacks(2, 10)
const noTtl = await lacks(2, 11)

onBothBuses((newScene) => {
  test('a stream with TTLs and markers is made again from its description', async () => {
    await using scene = await newScene()
    if (noTtl !== '' && scene.url.startsWith('nats:')) return
    await scene.run(['stream', 'add', 'A', '--retention', 'workqueue', '--marker-ttl', '1m'])
    const yaml = await scene.run(['export'])
    await scene.transport.streams.remove('A')
    expect(await scene.run(['apply', '-'], {stdin: yaml.stdout})).toMatchObject({code: 0})
    const {config} = await scene.transport.streams.info('A')
    expect(config).toMatchObject({retention: 'workqueue', allowTtl: true, markerTtlMs: 60_000})
    expect(await scene.run(['apply', '-'], {stdin: yaml.stdout})).toMatchObject({
      stderr: 'everything is as described\n',
    })
  })

  test('metadata and server options are exported as they are', async () => {
    await using scene = await newScene()
    if (noMetadata !== '' || !scene.url.startsWith('nats:')) return
    await scene.run(['stream', 'add', 'A', '--metadata', 'team=x', '--compression', 's2', '--retention', 'workqueue'])
    await scene.run(['consumer', 'add', 'A', 'c', '--ack', 'explicit', '--deliver', 'all'])
    const {streams} = JSON.parse((await scene.run(['export', '--json'])).stdout)
    expect(streams.A).toEqual({
      subjects: ['A'],
      retention: 'workqueue',
      metadata: {team: 'x'},
      other: {compression: 's2'},
    })
    const yaml = await scene.run(['export'])
    await scene.transport.streams.remove('A')
    expect(await scene.run(['apply', '-'], {stdin: yaml.stdout})).toMatchObject({code: 0})
    expect(await scene.run(['apply', '-'], {stdin: yaml.stdout})).toMatchObject({
      stderr: 'everything is as described\n',
    })
  })
})
