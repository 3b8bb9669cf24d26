import {expect, test} from 'vitest'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'

/** A stream `S` with messages `1`, `2`, … on `s.a` and `s.b` in turn. */
async function filled(scene: StoredScene, count: number): Promise<void> {
  await scene.transport.streams.add({name: 'S', subjects: ['s.>']})
  await store(scene, ...Array.from({length: count}, (_, i) => String(i + 1)))
}

async function store(scene: StoredScene, ...texts: string[]): Promise<void> {
  for (const [i, data] of texts.entries())
    await scene.transport.streams.publish({subject: i % 2 === 0 ? 's.a' : 's.b', data})
}

const info = ({transport}: StoredScene, name = 'd') => transport.streams.consumers.info('S', name)
const durable = ['sub', 's.>', '--durable', 'd', '--raw']

onBothBuses((newScene) => {
  test('sub --durable --create shows everything from the first message on, and acknowledges it', async () => {
    await using scene = await newScene()
    await filled(scene, 3)
    await using sub = scene.start([...durable, '--create', '-n', '5'])
    expect(await sub.stderrLine('listening on ')).toBe('listening on s.> as consumer d of S, 3 pending')
    expect(await sub.stdoutLine('3')).toBe('3')
    await store(scene, '4', '5')
    const {code, stdout, stderr} = await sub.ended
    expect([code, stdout]).toEqual([0, '1\n2\n3\n4\n5\n'])
    expect(stderr).toMatch(/5 received/)
    expect(await info(scene)).toMatchObject({pending: 0, ackPending: 0, config: {ack: 'explicit', deliver: 'all'}})
  })

  test('sub --durable resumes where it stopped: after --count, Ctrl-C, or a reader that is gone', async () => {
    await using scene = await newScene()
    await filled(scene, 6)
    expect((await scene.run([...durable, '--create', '-n', '2'])).stdout).toBe('1\n2\n')
    {
      await using sub = scene.start(durable)
      await sub.stdoutLine('6')
      sub.interrupt()
      const {code, stdout} = await sub.ended
      expect([code, stdout]).toEqual([0, '3\n4\n5\n6\n'])
    }
    await expect.poll(() => info(scene)).toMatchObject({pending: 0, ackPending: 0})
    await using gone = scene.start(durable)
    await gone.stderrLine('listening on ')
    await store(scene, '7')
    await gone.stdoutLine('7')
    await expect.poll(async () => (await info(scene)).ackPending).toBe(0)
    gone.hangUp()
    await store(scene, '8')
    expect((await gone.ended).code).toBe(0)
    const again = await scene.run([...durable, '-n', '1'])
    expect([again.code, again.stdout]).toEqual([0, '8'])
  })

  test('sub --durable loses nothing after kill -9, and repeats at most the messages shown last', async () => {
    await using scene = await newScene()
    await filled(scene, 5)
    await scene.transport.streams.consumers.add('S', {name: 'd', ackWaitMs: 500})
    const first = scene.start(durable)
    await first.stdoutLine('5')
    first.kill('SIGKILL')
    await first.ended
    await store(scene, '6')
    await using second = scene.start(durable)
    await second.stdoutLine('6')
    await expect.poll(() => info(scene)).toMatchObject({pending: 0, ackPending: 0})
    second.interrupt()
    const {stdout, stderr} = await second.ended
    const lines = stdout.trim().split('\n')
    const again = lines.length - 1
    expect(again).toBeLessThanOrEqual(5)
    if (again > 0) expect(stderr).toContain(`${again} redelivered`)
  })

  test('sub --durable does not acknowledge what could not be written', async () => {
    await using scene = await newScene()
    await filled(scene, 3)
    await scene.transport.streams.consumers.add('S', {name: 'd'})
    await using sub = scene.start(durable)
    sub.hangUp()
    expect((await sub.ended).code).toBe(0)
    expect((await scene.run([...durable, '-n', '3'])).stdout.split('\n').sort().join('')).toBe('123')
  })

  test('two sub --durable share the messages', async () => {
    await using scene = await newScene()
    await filled(scene, 0)
    const members = [1, 2].map(() => scene.start([...durable, '--create', '--idle', '4s']))
    for (const member of members) await member.stderrLine('listening on ')
    const all = Array.from({length: 50}, (_, i) => String(i))
    await store(scene, ...all)
    const shown = (await Promise.all(members.map(({ended}) => ended))).flatMap(({stdout}) => stdout.trim().split('\n'))
    expect(shown.filter((line) => line !== '').sort()).toEqual(all.sort())
  })

  test('sub --durable exits with 5 and a hint if the consumer or the stream does not exist', async () => {
    await using scene = await newScene()
    const none = await scene.run(durable)
    expect([none.code, none.stderr]).toEqual([5, expect.stringContaining('bus: no stream stores s.>')])
    await filled(scene, 1)
    const {code, stderr} = await scene.run(durable)
    expect(code).toBe(5)
    expect(stderr).toContain('bus: stream S has no consumer d\n')
    expect(stderr).toContain('--create')
    expect(await scene.transport.streams.consumers.list('S')).toEqual([])
  })

  test('sub --durable refuses a consumer with other subjects, and a consumer of the whole stream accepts a pattern for all of it', async () => {
    await using scene = await newScene()
    await filled(scene, 2)
    await scene.transport.streams.consumers.add('S', {name: 'a', filters: ['s.a']})
    const {code, stderr} = await scene.run(['sub', 's.b', '--durable', 'a'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('consumer a of S is for s.a, not s.b')])
    expect((await scene.run(['sub', 's.a', '--durable', 'a', '-n', '1', '--raw'])).stdout).toBe('1')
    await scene.transport.streams.consumers.add('S', {name: 'all'})
    expect((await scene.run(['sub', '>', '--stream', 'S', '--durable', 'all', '-n', '2', '--raw'])).stdout).toBe(
      '1\n2\n',
    )
  })

  test('sub --durable exits with 6 for fewer than --count messages, and refuses flags that would skip messages', async () => {
    await using scene = await newScene()
    await filled(scene, 1)
    expect(await scene.run([...durable, '--create', '-n', '2', '--idle', '900ms'])).toMatchObject({
      code: 6,
      stdout: '1\n',
    })
    for (const flags of [
      ['--match', 'x'],
      ['--where', 'x'],
      ['-q', 'x'],
      ['--from', 'first'],
      ['--sample', '2%'],
    ]) {
      const {code, stderr} = await scene.run([...durable, ...flags])
      expect([code, stderr]).toEqual([2, expect.stringContaining('cannot be used together')])
    }
    const {code, stderr} = await scene.run(['sub', 's.>', '--create'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('--create needs --durable')])
  })
})
