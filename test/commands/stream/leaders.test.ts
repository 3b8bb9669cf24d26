import {expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'

onBothBuses((newScene) => {
  test('step-down and peer-rm need other servers with a copy of the stream', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add({name: 'S'})
    const {code, stderr} = await scene.run(['stream', 'step-down', 'S', '--yes'])
    expect([code, stderr]).toEqual([2, 'bus: no other server has a copy of stream S and could lead it\n'])
    expect(await scene.run(['stream', 'peer-rm', 'S', 'one', '--yes'])).toMatchObject({code: 5, stdout: ''})
    expect(await scene.run(['stream', 'peer-rm', 'NONE', 'one', '--yes'])).toMatchObject({
      ...{code: 5, stderr: expect.stringContaining('there is no stream NONE')},
    })
  })
})
