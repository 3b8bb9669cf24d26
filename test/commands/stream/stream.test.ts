import {expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'
import {bus} from '../../bus.ts'

const moment = expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

onBothBuses((newScene) => {
  test('a stream is created, listed, inspected and removed', async () => {
    await using scene = await newScene()
    const add = ['stream', 'add', 'ORDERS', 'orders.>', 'paid', '--max-age', '30d', '--max-msgs', '1000']
    const more = ['--max-bytes', '1MiB', '--max-msgs-per-subject', '10', '--max-msg-size', '1KiB', '--discard', 'new']
    const made = await scene.run([...add, ...more, '--dedupe', '1m', '--description', 'all orders', '--json'])
    expect(made).toMatchObject({code: 0})
    const document = JSON.parse(made.stdout)
    expect(document).toMatchObject({
      config: {
        name: 'ORDERS',
        subjects: ['orders.>', 'paid'],
        description: 'all orders',
        storage: 'file',
        discard: 'new',
        retention: 'limits',
        maxAgeMs: 30 * 86_400_000,
        maxMsgs: 1000,
        maxBytes: 1024 * 1024,
        maxMsgsPerSubject: 10,
        maxMsgSize: 1024,
        dedupeMs: 60_000,
        replicas: 1,
      },
      created: moment,
      state: {messages: 0, subjects: 0, consumers: 0},
    })

    expect(await scene.run([...add, ...more, '--dedupe', '1m', '--description', 'all orders'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'stream ORDERS stores orders.> paid\n',
    })
    await scene.run(['pub', 'orders.1', 'hello', '--ack'])

    const listed = await scene.run(['stream', 'ls'])
    expect(listed).toMatchObject({code: 0, stderr: ''})
    expect(listed.stdout).toMatch(
      /^stream +subjects +messages +size +consumers +last message\nORDERS +orders\.> paid +1 +\d+ B +0 +(just now|.* ago)\n$/,
    )
    const [one, ...others] = JSON.parse((await scene.run(['stream', 'ls', '--json'])).stdout)
    expect([one.config, others]).toEqual([document.config, []])

    const info = await scene.run(['stream', 'info', 'ORDERS'])
    expect(info.stdout).toContain(
      'limits             30d · 1,000 messages · 1 MiB · 10 per subject · 1 KiB per message\n',
    )
    const {state} = JSON.parse((await scene.run(['stream', 'info', 'ORDERS', '--json'])).stdout)
    expect(state).toMatchObject({messages: 1, subjects: 1, firstTime: moment, lastTime: moment})

    expect(await scene.run(['stream', 'rm', 'ORDERS', '--yes', '--json'])).toMatchObject({
      code: 0,
      stdout: '{"removed":"ORDERS","messages":1,"consumers":0}\n',
    })
    expect(await scene.run(['stream', 'ls'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'no streams; bus stream add creates one\n',
    })
    expect((await scene.run(['stream', 'ls', '--json'])).stdout).toBe('[]\n')
  })

  test('a stream without subjects stores the subject with its name', async () => {
    await using scene = await newScene()
    expect(await scene.run(['stream', 'add', 'logs'])).toMatchObject({code: 0, stderr: 'stream logs stores logs\n'})
  })

  test('a stream with overlapping subjects or a different configuration is refused', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'ORDERS', 'orders.>'])
    const overlap = await scene.run(['stream', 'add', 'PAID', 'orders.*.paid'])
    expect([overlap.code, overlap.stderr]).toEqual([2, expect.stringContaining('ORDERS')])
    const other = ['stream', 'add', 'ORDERS', 'orders.>', '--max-msgs', '5']
    const refused = await scene.run(other)
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('ORDERS')])
    expect(await scene.run([...other, '--if-missing'])).toMatchObject({
      code: 0,
      stderr: 'stream ORDERS already exists and stores orders.>\n',
    })
    expect(await scene.run(['stream', 'add', 'NEW', 'new', '--if-missing'])).toMatchObject({
      code: 0,
      stderr: 'stream NEW stores new\n',
    })
  })

  test('errors of stream commands have the same words on every bus, and name the bus', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'ORDERS', 'orders.>'])
    await scene.run(['consumer', 'add', 'ORDERS', 'mail'])
    const {url} = scene.transport
    const faults: readonly (readonly [args: string, sentence: string])[] = [
      ['stream info NONE', `there is no stream NONE on ${url}`],
      [
        'stream add ORDERS orders.> --max-msgs 5',
        `there is a stream ORDERS on ${url} with another configuration: max-msgs none instead of 5`,
      ],
      [
        'stream add PAID orders.*.paid',
        `the subject "orders.*.paid" overlaps with those of the stream ORDERS on ${url}`,
      ],
      ['stream get ORDERS 99999', `the stream ORDERS on ${url} has no message with the sequence 99999`],
      ['stream get ORDERS --last-for a.*', `the stream ORDERS on ${url} has no message of a.*`],
      ['consumer info ORDERS none', `the stream ORDERS on ${url} has no consumer none`],
      [
        'consumer add ORDERS mail --max-deliver 2',
        `the stream ORDERS on ${url} has a consumer mail with another configuration: max-deliver none instead of 2`,
      ],
      ['pub paid 1 --ack', `no stream on ${url} stores "paid"`],
    ]
    for (const [args, sentence] of faults) {
      const {stderr} = await scene.run(args.split(' '))
      expect(stderr.split('\n')[0]).toBe(`bus: ${sentence}`)
    }
  })

  test('stream add takes no stream with options of other clients for the same, and names them', async () => {
    await using scene = await newScene()
    if (!scene.url.startsWith('nats:')) return
    await scene.transport.streams.add({name: 'ORIGIN', subjects: ['o']})
    const mirror = {name: 'M', mirror: {name: 'ORIGIN'}}
    for (const config of [mirror, {name: 'S', subjects: ['s'], no_ack: true, sealed: false, deny_delete: true}]) {
      const reply = await scene.transport.request({
        subject: `$JS.API.STREAM.CREATE.${config.name}`,
        data: JSON.stringify(config),
      })
      expect(reply.text).not.toContain('error')
    }
    const faults = [
      [['M'], 'subjects none instead of M, mirror {"name":"ORIGIN"} instead of none'],
      [['S', 's'], 'deny-delete true instead of none, no_ack true instead of none'],
    ] as const
    for (const [args, differing] of faults) {
      const {code, stderr} = await scene.run(['stream', 'add', ...args])
      expect([code, stderr.split('\n')[0]]).toEqual([2, expect.stringContaining(`another configuration: ${differing}`)])
    }
  })

  test('stream subjects counts messages by subject', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'S', 's.>'])
    await scene.run(['pub', 's.b', 'x', '--ack', '-n', '2'])
    await scene.run(['pub', 's.a.c', 'x', '--ack'])
    expect(await scene.run(['stream', 'subjects', 'S'])).toMatchObject({
      code: 0,
      stdout: 'messages  subject\n       1  s.a.c\n       2  s.b\n',
    })
    expect((await scene.run(['stream', 'subjects', 'S', 's.*', '--json'])).stdout).toBe('{"s.b":2}\n')
    expect(await scene.run(['stream', 'subjects', 'S', 's.x'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'no messages of s.x in S\n',
    })
  })

  test('stream get shows a message, in a pipe its payload alone', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'S', 's.>'])
    const publish = async (subject: string, body: string) =>
      JSON.parse((await scene.run(['pub', subject, body, '-H', 'A: 1', '--ack', '--json'])).stdout).seq
    const seq = await publish('s.a', '{"n":1}')
    await publish('s.b', 'last')
    expect(await scene.run(['stream', 'get', 'S', String(seq)])).toMatchObject({
      code: 0,
      stdout: '{"n":1}\n',
      stderr: '',
    })
    const json = (await scene.run(['stream', 'get', 'S', `#${seq}`, '--json'])).stdout
    expect(JSON.parse(json)).toMatchObject({subject: 's.a', seq, headers: {A: '1'}, json: {n: 1}})
    const last = ['stream', 'get', 'S', '--last-for', 's.*', '-f', '{subject} {text}\\n']
    expect((await scene.run(last)).stdout).toBe('s.b last\n')
    expect((await scene.run(['stream', 'get', 'S', '--last-for', 's.a', '--select', 'json.n'])).stdout).toBe('1\n')
    expect(await scene.run(['stream', 'get', 'S', '999999'])).toMatchObject({code: 5, stdout: ''})
    expect(await scene.run(['stream', 'get', 'S', '--last-for', 'x'])).toMatchObject({code: 5, stdout: ''})
  })

  test('stream purge removes all or some messages', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'S', 's.>'])
    for (const subject of ['s.a', 's.b', 's.c']) await scene.run(['pub', subject, 'x', '--ack', '-n', '10'])
    const purge = async (...flags: string[]) => (await scene.run(['stream', 'purge', 'S', '--yes', ...flags])).stderr
    expect(await purge('--filter', 's.a', '--filter', 's.b', '--keep', '7')).toBe('removed 6 messages from stream S\n')
    const {state} = JSON.parse((await scene.run(['stream', 'info', 'S', '--json'])).stdout)
    expect(state.messages).toBe(24)
    expect(await purge('--before', String(state.lastSeq))).toBe('removed 23 messages from stream S\n')
    expect((await scene.run(['stream', 'purge', 'S', '--yes', '--json'])).stdout).toBe('{"stream":"S","purged":1}\n')
  })

  test('nothing is removed without confirmation', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'S', 's.>'])
    await scene.run(['pub', 's.a', 'hello', '--ack'])
    const rm = await scene.run(['stream', 'rm', 'S'])
    expect(rm.code).toBe(2)
    expect(rm.stderr).toMatch(
      /^bus: confirmation is needed to remove stream S with 1 message \(\d+ B\): pass --yes\n {2}try: --yes\n$/,
    )
    expect(await scene.run(['stream', 'purge', 'S', '--keep', '5'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        'confirmation is needed to remove all but the last 5 messages from stream S, which has 1 message',
      ),
    })
    expect(JSON.parse((await scene.run(['stream', 'info', 'S', '--json'])).stdout).state.messages).toBe(1)
  })

  test.each([
    ['info', 'NONE'],
    ['rm', 'NONE', '--yes'],
    ['purge', 'NONE', '--yes'],
    ['subjects', 'NONE'],
    ['get', 'NONE', '1'],
  ])('a missing stream is exit code 5: stream %s', async (...words) => {
    await using scene = await newScene()
    const {code, stdout, stderr} = await scene.run(['stream', ...words])
    expect([code, stdout]).toEqual([5, ''])
    expect(stderr).toContain('NONE')
  })

  test.each([
    [['add', 'a.b'], 'a.b'],
    [['add', 'A', 'a..b'], 'an empty token at position 3'],
    [['add', 'A', '--max-msgs', '0'], '--max-msgs: "0" is not a whole number of at least 1'],
    [['add', 'A', '--max-age', '5'], '--max-age: "5" is not a duration: it has no unit'],
    [['add', 'A', '--discard', 'all'], '--discard: "all" is not one of old, new'],
    [['add'], 'STREAM is missing'],
    [['get', 'S'], 'SEQ or --last-for is needed'],
    [['purge', 'S', '--before', '2', '--keep', '1'], '--before and --keep cannot be used together'],
  ])('a usage error is exit code 2: stream %j', async (words, sentence) => {
    await using scene = await newScene()
    const {code, stdout, stderr} = await scene.run(['stream', ...words])
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(sentence)])
  })
})

test('bus stream alone lists its commands', async () => {
  const {code, stdout} = await bus(['stream'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/stream add +create a stream/)
})
