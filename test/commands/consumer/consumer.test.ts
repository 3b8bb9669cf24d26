import {expect, test} from 'vitest'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'
import {bus} from '../../bus.ts'

/** Creates a stream `S` with messages `1`, `2`, … on `s.a` and `s.b` in turn; returns their sequences. */
async function filled(scene: StoredScene, count: number): Promise<number[]> {
  await scene.transport.streams.add({name: 'S', subjects: ['s.>']})
  const seqs: number[] = []
  for (let n = 1; n <= count; n++) {
    const stored = await scene.transport.streams.publish({subject: n % 2 === 1 ? 's.a' : 's.b', data: String(n)})
    seqs.push(stored.seq)
  }
  return seqs
}

/** Takes all messages of consumer `c`, which should be this many. */
async function drained(scene: StoredScene, count: number): Promise<string[]> {
  const flags = count === 0 ? ['-t', '300ms'] : ['-n', String(count), '-t', '20s']
  const {stdout} = await scene.run(['consumer', 'next', 'S', 'c', '--raw', ...flags])
  expect(await scene.transport.streams.consumers.info('S', 'c')).toMatchObject({pending: 0, ackPending: 0})
  return stdout.split('\n').filter(Boolean)
}

onBothBuses((newScene) => {
  test('a consumer is created, listed, inspected and removed', async () => {
    await using scene = await newScene()
    const seqs = await filled(scene, 4)
    const add = ['consumer', 'add', 'S', 'c', '--filter', 's.a', '--ack', 'explicit', '--ack-wait', '1m']
    const more = ['--max-deliver', '4', '--max-ack-pending', '10', '--backoff', '1s,5s', '--description', 'test']
    const made = await scene.run([...add, ...more, '--json'])
    expect(made).toMatchObject({code: 0})
    const document = JSON.parse(made.stdout)
    expect(document).toMatchObject({
      stream: 'S',
      config: {
        name: 'c',
        filters: ['s.a'],
        deliver: 'all',
        ack: 'explicit',
        maxDeliver: 4,
        maxAckPending: 10,
        backoffMs: [1000, 5000],
        description: 'test',
        durable: true,
      },
      pending: 2,
      ackPending: 0,
      redelivered: 0,
      lag: 2,
    })
    expect(await scene.run([...add, ...more])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'consumer c has 2 pending in S\n',
    })
    expect((await scene.run(['consumer', 'add', 'S', 'c', '--if-missing'])).stderr).toBe(
      'consumer c already exists and has 2 pending in S\n',
    )

    await scene.run(['consumer', 'next', 'S', 'c'])
    const listed = await scene.run(['consumer', 'ls'])
    expect(listed).toMatchObject({code: 0, stderr: ''})
    expect(listed.stdout).toMatch(
      /^stream +consumer +lag +ack pending +redelivered +ack floor +next +last active\nS +c +1 +0 +0 +#\d+ +#\d+ +(just now|.* ago)\n$/,
    )
    const [one, ...others] = JSON.parse((await scene.run(['consumer', 'ls', 'S', '--json'])).stdout)
    expect([one.config, one.lag, others]).toEqual([document.config, 1, []])
    expect((await scene.run(['consumer', 'info', 'S', 'c'])).stdout).toMatch(/^lag +1\npending +1$/m)
    expect(JSON.parse((await scene.run(['consumer', 'info', 'S', 'c', '--json'])).stdout).deliveredSeq).toBe(seqs[0])

    expect((await scene.run(['consumer', 'rm', 'S', 'c'])).code).toBe(2)
    expect(await scene.run(['consumer', 'rm', 'S', 'c', '--yes'])).toMatchObject({
      code: 0,
      stderr: 'removed consumer c of stream S\n',
    })
    expect(await scene.run(['consumer', 'ls', 'S'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'no consumers of stream S\n',
    })
  })

  test.each([
    [['all'], ['1', '2', '3', '4']],
    [['new'], []],
    [['last'], ['4']],
    [['last-per-subject'], ['3', '4']],
    [['-3'], ['2', '3', '4']],
    [
      ['-2', '--filter', 's.a'],
      ['1', '3'],
    ],
    [['@-1h'], ['1', '2', '3', '4']],
  ])('a consumer begins at %j', async ([deliver = '', ...flags], bodies) => {
    await using scene = await newScene()
    await filled(scene, 4)
    expect(await scene.run(['consumer', 'add', 'S', 'c', '--deliver', deliver, ...flags])).toMatchObject({code: 0})
    expect(await drained(scene, bodies.length)).toEqual(bodies)
  })

  test('consumer next acknowledges, and reports what is pending', async () => {
    await using scene = await newScene()
    const [one, two] = await filled(scene, 3)
    await scene.run(['consumer', 'add', 'S', 'c'])
    const next = await scene.run(['consumer', 'next', 'S', 'c', '-n', '2', '--json'])
    expect(next).toMatchObject({code: 0, stderr: '2 acknowledged · 1 pending\n'})
    expect(
      next.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      {subject: 's.a', seq: one, json: 1},
      {subject: 's.b', seq: two, json: 2},
    ])
    expect(await scene.run(['consumer', 'next', 'S', 'c'])).toMatchObject({
      stdout: expect.stringMatching(/^#\d+ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\S+ s\.a 3\n$/),
    })
    expect(await scene.transport.streams.consumers.info('S', 'c')).toMatchObject({pending: 0, ackPending: 0})
  })

  test('consumer next exits with 6 if there are too few messages, and acknowledges those it shows', async () => {
    await using scene = await newScene()
    await filled(scene, 1)
    await scene.run(['consumer', 'add', 'S', 'c'])
    const next = await scene.run(['consumer', 'next', 'S', 'c', '-n', '2', '-t', '900ms', '--raw'])
    expect([next.code, next.stdout]).toEqual([6, '1\n'])
    expect(next.stderr).toContain('bus: consumer c of stream S had only 1 of 2 messages within 900 ms\n')
    expect(await scene.transport.streams.consumers.info('S', 'c')).toMatchObject({pending: 0, ackPending: 0})
  })

  test('consumer next returns messages, immediately or later, and terminates them', async () => {
    await using scene = await newScene()
    await filled(scene, 2)
    await scene.run(['consumer', 'add', 'S', 'c'])
    const next = (...flags: string[]) => scene.run(['consumer', 'next', 'S', 'c', '--raw', ...flags])
    expect(await next('--nak')).toMatchObject({code: 0, stdout: '1', stderr: '1 returned · 1 pending\n'})
    expect(await next('--nak', '--delay', '1h')).toMatchObject({
      code: 0,
      stdout: '1',
      stderr: '1 returned · 1 redelivered · 1 pending\n',
    })
    expect(await next('--term')).toMatchObject({code: 0, stdout: '2', stderr: '1 terminated · 0 pending\n'})
    expect(await next('-t', '300ms')).toMatchObject({code: 6, stdout: ''})
  })

  test('consumer next --peek shows unacknowledged messages and changes nothing', async () => {
    await using scene = await newScene()
    await filled(scene, 4)
    await scene.run(['consumer', 'add', 'S', 'c', '--filter', 's.b'])
    const before = await scene.transport.streams.consumers.info('S', 'c')
    const peek = (...flags: string[]) => scene.run(['consumer', 'next', 'S', 'c', '--peek', '--raw', ...flags])
    expect(await peek('-n', '2')).toMatchObject({code: 0, stdout: '2\n4\n', stderr: '2 shown\n'})
    expect(await peek('-n', '3')).toMatchObject({code: 6, stdout: '2\n4\n'})
    // The server's own document has the time of the answer.
    expect(await scene.transport.streams.consumers.info('S', 'c')).toEqual({
      ...before,
      raw: before.raw && expect.anything(),
    })
    await scene.run(['consumer', 'next', 'S', 'c', '-n', '2'])
    expect(await peek()).toMatchObject({
      code: 6,
      stdout: '',
      stderr: expect.stringContaining('consumer c of stream S has no unacknowledged messages'),
    })
  })

  test('consumer next does not acknowledge messages that the reader of stdout did not take', async () => {
    await using scene = await newScene()
    await filled(scene, 3)
    await scene.run(['consumer', 'add', 'S', 'c'])
    await using next = scene.start(['consumer', 'next', 'S', 'c', '-n', '1', '-t', '5s', '--raw'])
    next.hangUp()
    expect((await next.ended).code).toBe(0)
    expect((await scene.run(['consumer', 'next', 'S', 'c', '--raw'])).stdout).toBe('1')
  })

  test('consumer reset moves a consumer anywhere, and shows both positions', async () => {
    await using scene = await newScene()
    const seqs = await filled(scene, 6)
    const [first = 0, , third = 0] = seqs
    await scene.run(['consumer', 'add', 'S', 'c'])
    const expectAll = async (bodies: string) => expect((await drained(scene, bodies.length)).join('')).toBe(bodies)
    const reset = (to: string, ...flags: string[]) => scene.run(['consumer', 'reset', 'S', 'c', '--to', to, ...flags])
    await expectAll('123456')

    const asked = await reset(String(third))
    expect([asked.code, asked.stderr]).toEqual([
      2,
      expect.stringContaining(
        `confirmation is needed to move consumer c of stream S from #${(seqs.at(-1) ?? 0) + 1} to #${third}: pass --yes`,
      ),
    ])
    await expectAll('')

    const moved = await reset(String(third), '--yes')
    expect([moved.code, moved.stderr]).toEqual([
      0,
      expect.stringMatching(new RegExp(`: next #${third}, .* lag 0 → 4\\n$`)),
    ])
    await expectAll('3456')
    const document = JSON.parse((await reset('first', '--yes', '--json')).stdout)
    expect(document).toMatchObject({stream: 'S', lag: 6, before: {ackFloor: seqs.at(-1), lag: 0}})
    expect(document.ackFloor).toBeLessThan(first)
    await expectAll('123456')
    await reset('-2', '--yes')
    await expectAll('56')
    await reset('@-1h', '--yes')
    await reset('end', '--yes')
    await expectAll('')

    const beyond = await reset('1000000', '--yes')
    expect(beyond.stderr).toContain(`next the first message after #${seqs.at(-1)}, ack floor`)
    const show = async (verb: string) =>
      (await scene.run(['consumer', verb, 'S', ...(verb === 'info' ? ['c'] : [])])).stdout
    expect(await show('info')).toMatch(new RegExp(`^next +the first message after #${seqs.at(-1)}$`, 'm'))
    expect(await show('ls')).toMatch(new RegExp(` #${(seqs.at(-1) ?? 0) + 1} `))
    await scene.transport.streams.publish({subject: 's.a', data: '7'})
    await expectAll('7')
  })

  test.each([
    [['info', 'S', 'none']],
    [['rm', 'S', 'none', '--yes']],
    [['reset', 'S', 'none', '--to', 'first', '--yes']],
    [['next', 'S', 'none']],
    [['next', 'S', 'none', '--peek']],
    [['info', 'none', 'c']],
    [['add', 'none', 'c']],
    [['ls', 'none']],
  ])('a missing stream or consumer is exit code 5: consumer %j', async (words) => {
    await using scene = await newScene()
    await filled(scene, 1)
    const {code, stdout, stderr} = await scene.run(['consumer', ...words])
    expect([code, stdout]).toEqual([5, ''])
    expect(stderr).toContain('none')
  })

  test('consumer add --deliver says where the consumer starts; after the last message is with the next one', async () => {
    await using scene = await newScene()
    await filled(scene, 3)
    const {lastSeq} = (await scene.transport.streams.info('S')).state
    const {code, stderr} = await scene.run(['consumer', 'add', 'S', 'c', '--deliver', '99999'])
    const sentence = `consumer c has 0 pending in S and starts with the first message after #${lastSeq}\n`
    expect([code, stderr]).toEqual([0, sentence])
    await scene.run(['pub', 's.a', 'next', '--ack'])
    expect(await scene.run(['consumer', 'next', 'S', 'c', '--raw'])).toMatchObject({code: 0, stdout: 'next'})
  })

  test('consumer add refuses a different configuration for an existing name', async () => {
    await using scene = await newScene()
    await filled(scene, 1)
    await scene.run(['consumer', 'add', 'S', 'c'])
    const {code, stderr} = await scene.run(['consumer', 'add', 'S', 'c', '--filter', 's.a'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('another configuration')])
  })
})

test.each([
  [['add', 'S', 'c', '--deliver', 'somewhere'], '--deliver: "somewhere" is not a position in a stream'],
  [['add', 'S', 'c', '--filter', 'a..b'], 'an empty token at position 3'],
  [['add', 'S', 'c', '--backoff', '1s,x'], '--backoff: "x" is not a duration'],
  [['add', 'S', 'c', '--ack', 'yes'], '--ack: "yes" is not one of explicit, all, none'],
  [['add', 'S'], 'CONSUMER is missing'],
  [['reset', 'S', 'c'], '--to'],
  [['reset', 'S', 'c', '--to', '@yesterday'], '--to: "@yesterday" is not a time'],
  [['next', 'S', 'c', '--ack', '--nak'], '--ack and --nak cannot be used together'],
  [['next', 'S', 'c', '--peek', '--ack'], '--peek and --ack cannot be used together'],
  [['next', 'S', 'c', '--nak', '--term'], '--nak and --term cannot be used together'],
  [['next', 'S', 'c', '--delay', '1ms'], '--delay needs --nak'],
  [['next', 'S', 'c', '-n', '0'], '--count: "0" is not a whole number of at least 1'],
])('a usage error is exit code 2: consumer %j', async (words, sentence) => {
  const {code, stdout, stderr} = await bus(['consumer', ...words])
  expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(sentence)])
})
