/** A replay into a program ends, whatever the program does. */
import {expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'
import {bus, start} from '../../bus.ts'

const replay = (url: string, ...flags: string[]) => [
  'consumer',
  'replay',
  'L',
  'c',
  '-b',
  url,
  ...flags,
  '--',
  'sh',
  '-c',
]

onBothBuses((newScene) => {
  const filled = async () => {
    const scene = await newScene()
    await scene.run(['stream', 'add', 'L', 'l.>'])
    await scene.run(['pub', 'l.a', '--lines', '--ack'], {stdin: '1\n2\n3\n4\n5\n'})
    await scene.run(['consumer', 'add', 'L', 'c'])
    return scene
  }

  // Each of these runs for a minute unless it is killed; the test would run out of time.
  test.each([
    ['leaves a child that holds its stdout', 'sleep 60 & while read l; do echo ack; done'],
    ['ignores SIGTERM', 'trap "" TERM; while read l; do echo ack; done; sleep 60 & wait; sleep 60'],
    ['stays after its last message', 'while read l; do echo ack; done; sleep 60'],
  ])('a replay ends, and handles all messages, if its program %s', async (_, script) => {
    await using scene = await filled()
    const {code, stderr} = await bus([...replay(scene.url, '--exec-lines'), script])
    expect({code, stderr}).toMatchObject({code: 0, stderr: expect.stringContaining('5 handled')})
  })

  test('a replay whose program does not answer in time ends with exit code 8', async () => {
    await using scene = await filled()
    const {code, stderr} = await bus([
      ...replay(scene.url, '--exec-lines', '--exec-timeout', '300ms'),
      'read l; sleep 60',
    ])
    expect({code, stderr}).toMatchObject({code: 8, stderr: expect.stringContaining('did not answer within 300 ms')})
  })

  test.each([
    ['--exec-lines', 'read l; echo started >&2; sleep 60'],
    ['--exec-lines', 'trap "" TERM; read l; echo started >&2; sleep 60 & wait; sleep 60'],
    ['--exec', 'echo started >&2; sleep 60'],
    ['--exec', 'trap "" TERM; echo started >&2; sleep 60 & wait; sleep 60'],
  ])('SIGTERM ends a replay with %s whose program is %s', async (flag, script) => {
    await using scene = await filled()
    await using running = start([...replay(scene.url, flag, '--exec-timeout', '50s'), script])
    await running.stderrLine('started')
    running.kill('SIGTERM')
    expect((await running.ended).signal).toBeNull()
    const info = JSON.parse((await scene.run(['consumer', 'info', 'L', 'c', '--json'])).stdout)
    expect(info.ackFloor).toBe(0)
  })
})
