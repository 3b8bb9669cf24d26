import {expect, test} from 'vitest'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'

async function state(scene: StoredScene, stream = 'S') {
  return (await scene.transport.streams.info(stream)).state
}

onBothBuses((newScene) => {
  test('pub --ack reports where the message was stored', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add({name: 'S', subjects: ['s.>']})
    const said = await scene.run(['pub', 's.a', 'hello', '--ack'])
    const {lastSeq} = await state(scene)
    expect(said).toMatchObject({code: 0, stdout: '', stderr: `stored 5 B as #${lastSeq} of S\n`})
    const {ms, seq, ...result} = JSON.parse((await scene.run(['pub', 's.a', 'x', '-n', '3', '--ack', '--json'])).stdout)
    expect(result).toEqual({published: 3, subject: 's.a', bytes: 3, acknowledged: 3, duplicates: 0, stream: 'S'})
    expect(seq).toBe((await state(scene)).lastSeq)
    expect(ms).toBeGreaterThan(0)
  })

  test('a message id is stored once', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add({name: 'S', subjects: ['s.>']})
    const once = ['pub', 's.a', 'x', '--ack', '--msg-id', 'order-1']
    expect((await scene.run(once)).stderr).toMatch(/^stored 1 B as #\d+ of S\n$/)
    expect((await scene.run(once)).stderr).toMatch(/^already stored: this message id is #\d+ of S\n$/)
    const many = ['pub', 's.a', 'x', '--ack', '--template', '--msg-id', 'n-{n}', '-n']
    expect((await scene.run([...many, '3'])).stderr).toMatch(/^3 acknowledged · 3 B · last is #\d+ of S · /)
    const again = await scene.run([...many, '5', '--json'])
    expect(JSON.parse(again.stdout)).toMatchObject({published: 5, acknowledged: 5, duplicates: 3})
    expect((await state(scene)).messages).toBe(6)
  })

  test('a failed expectation refuses the message', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add({name: 'S', subjects: ['s.>']})
    const expecting = (seq: number) => scene.run(['pub', 's.a', 'x', '--ack', '--expect-last-seq', String(seq)])
    expect(await expecting(0)).toMatchObject({code: 0})
    const refused = await expecting(999_999)
    expect([refused.code, refused.stderr]).toEqual([8, expect.stringMatching(/^bus: .*sequence/)])
    expect(await expecting((await state(scene)).lastSeq)).toMatchObject({code: 0})
    expect((await state(scene)).messages).toBe(2)
  })

  test.each([
    ['Nats-Rollup: sub', 10111, 'rollup not permitted'],
    ['Nats-Expected-Stream: T', 10060, 'expected stream does not match'],
  ])(
    'a header that the stream refuses is an error of the other side, and nothing is stored: %s',
    async (header, code, why) => {
      await using scene = await newScene()
      await scene.transport.streams.add({name: 'S', subjects: ['s.>']})
      const refused = await scene.run(['pub', 's.a', 'x', '--ack', '-H', header])
      expect([refused.code, refused.stdout, refused.stderr]).toEqual([8, '', expect.stringContaining(why)])
      const {stderr} = await scene.run(['pub', 's.a', '--lines', '--ack', '-H', header, '--json'], {stdin: 'a\nb\n'})
      expect(JSON.parse(stderr)).toMatchObject({error: {kind: 'remote', exitCode: 8, data: {code, stored: []}}})
      expect((await state(scene)).messages).toBe(0)
    },
  )

  test('a subject that no stream stores is exit code 5', async () => {
    await using scene = await newScene()
    const {code, stdout, stderr} = await scene.run(['pub', 'nobody.keeps', 'x', '--ack'])
    expect([code, stdout]).toEqual([5, ''])
    expect(stderr).toContain('nobody.keeps')
  })

  test('lines are stored in order, through a small window', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add({name: 'S', subjects: ['s.>']})
    const stdin = Array.from({length: 3000}, (_, at) => `${at + 1}\n`).join('')
    const said = await scene.run(['pub', 's.a', '--lines', '--ack', '--window', '16'], {stdin})
    expect(said.stderr).toMatch(/^3,000 acknowledged · 10\.6 KiB · last is #\d+ of S · /)
    await using reading = await scene.transport.streams.read('S')
    const bodies: string[] = []
    for await (const message of reading) bodies.push(`${message.text}\n`)
    expect(bodies.join('')).toBe(stdin)
  })

  test('one refused message fails the command, and its line is named', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add({name: 'S', subjects: ['s.>'], maxMsgSize: 100})
    const stdin = `one\n${'x'.repeat(200)}\nthree\n`
    const {code, stdout, stderr} = await scene.run(['pub', 's.a', '--lines', '--ack'], {stdin})
    expect([code, stdout]).toEqual([8, ''])
    expect(stderr).toMatch(/^bus: line 2: .*; stored: lines 1, 3\n/)
    const json = await scene.run(['pub', 's.a', '--lines', '--ack', '--json'], {stdin})
    expect(JSON.parse(json.stderr).error).toMatchObject({
      kind: 'remote',
      data: {
        index: 1,
        line: 2,
        acknowledged: 2,
        code: 10054,
        stored: [
          [1, 1],
          [3, 3],
        ],
        unknown: [],
      },
    })
  })

  test('a window of one stops at the first refused message, so that the order is kept', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add({name: 'S', subjects: ['s.>'], maxMsgSize: 100})
    const stdin = `one\ntwo\n${'x'.repeat(200)}\nfour\n`
    const {code, stderr} = await scene.run(['pub', 's.a', '--lines', '--ack', '--window', '1'], {stdin})
    expect([code, stderr]).toEqual([8, expect.stringMatching(/^bus: line 3: .*; stored: lines 1-2\n/)])
    expect((await state(scene)).messages).toBe(2)
  })

  test('one message id for all lines is refused before anything is sent', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add({name: 'S', subjects: ['s.>']})
    const args = ['pub', 's.a', '--lines', '--ack', '--msg-id', 'a-{n}']
    const {code, stderr} = await scene.run(args, {stdin: 'one\ntwo\n'})
    expect([code, stderr]).toEqual([2, expect.stringContaining('all messages would have the id "a-{n}"')])
    expect((await state(scene)).messages).toBe(0)
  })

  test('records are stored in a stream and come back unchanged', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add({name: 'S', subjects: ['s.>']})
    const records = [
      {subject: 's.a', headers: {A: '1'}, json: {n: 1}},
      {subject: 's.b', text: 'zwei'},
    ]
    const stdin = `${JSON.stringify(records[0])}\n\n${JSON.stringify(records[1])}\n`
    expect(await scene.run(['pub', '--records', '-', '--ack'], {stdin})).toMatchObject({code: 0})
    const {stdout} = await scene.run(['sub', 's.>', '--from', 'first', '--end', '--json'])
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject(records)
    const lost = `${stdin}${JSON.stringify({subject: 'elsewhere', text: 'x'})}\n`
    const failed = await scene.run(['pub', '--records', '-', '--ack'], {stdin: lost})
    expect([failed.code, failed.stderr]).toEqual([5, expect.stringMatching(/^bus: line 4: .*elsewhere/)])
  })
})
