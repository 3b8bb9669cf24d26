import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, onTestFinished, test} from 'vitest'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'

/** Creates a stream `S` with messages `1`, `2`, … on `s.a` and `s.b` in turn; returns their sequences. */
async function filled(scene: StoredScene, count: number): Promise<number[]> {
  await scene.transport.streams.add({name: 'S', subjects: ['s.>']})
  const seqs: number[] = []
  for (let n = 1; n <= count; n++) seqs.push(await store(scene, String(n), n % 2 === 1 ? 's.a' : 's.b'))
  return seqs
}

async function store(scene: StoredScene, data: string, subject = 's.a'): Promise<number> {
  return (await scene.transport.streams.publish({subject, data})).seq
}

/** A time in seconds after that of the message with this sequence; resolves once it has passed. */
async function laterThan(scene: StoredScene, seq: number): Promise<number> {
  const {time = 0} = await scene.transport.streams.get('S', seq)
  const after = Math.floor(time) + 2
  await expect.poll(() => Date.now(), {interval: 1}).toBeGreaterThan(after)
  return after / 1000
}

onBothBuses((newScene) => {
  test('sub --from shows stored messages and continues with new ones', async () => {
    await using scene = await newScene()
    await filled(scene, 3)
    await using sub = scene.start(['sub', 's.>', '--from', 'first', '--raw', '-n', '5'])
    expect(await sub.stderrLine('listening on ')).toBe('listening on s.> from stream S, at first')
    expect(await sub.stdoutLine()).toBe('1')
    await store(scene, '4')
    scene.transport.publish({subject: 's.x', data: '5'})
    await scene.transport.flush()
    const {code, stdout} = await sub.ended
    expect([code, stdout]).toEqual([0, '1\n2\n3\n4\n5\n'])
  })

  test('sub --from end shows only new messages', async () => {
    await using scene = await newScene()
    await filled(scene, 3)
    await using sub = scene.start(['sub', 's.>', '--from', 'new', '--raw', '-n', '1'])
    await sub.stderrLine('listening on ')
    await store(scene, '4')
    expect((await sub.ended).stdout).toBe('4')
  })

  test('sub --from --to shows a range', async () => {
    await using scene = await newScene()
    const seqs = await filled(scene, 6)
    const [, second = 0, third = 0] = seqs
    const shown = async (...flags: string[]) => {
      const {code, stdout} = await scene.run(['sub', 's.>', '--raw', ...flags])
      expect(code).toBe(0)
      return stdout.replaceAll('\n', '')
    }
    expect(await shown('--from', String(second), '--to', String(third))).toBe('23')
    expect(await shown('--from', '-2', '--end')).toBe('56')
    expect(await shown('--from', 'last', '--to', 'end')).toBe('6')
    expect(await shown('--from', '@-1h', '--to', '@-30m')).toBe('')
    const between = await laterThan(scene, seqs.at(-1) ?? 0)
    await store(scene, '7')
    expect(await shown('--from', `@${between}`, '--end')).toBe('7')
    expect(await shown('--from', 'first', '--to', `@${between}`)).toBe('123456')
  })

  test('sub --from accepts several subjects, and every filter and view', async () => {
    await using scene = await newScene()
    await filled(scene, 6)
    const from = ['--from', 'first', '--end']
    expect((await scene.run(['sub', 's.a', 's.b', ...from, '--match', '[35]', '--raw'])).stdout).toBe('3\n5\n')
    expect((await scene.run(['sub', 's.b', ...from, '-f', '{subject} {text}\\n', '-n', '1'])).stdout).toBe('s.b 2\n')
    expect((await scene.run(['sub', 's.*', ...from, '--ignore', 's.b', '--subjects-only'])).stdout).toBe(
      's.a\n'.repeat(3),
    )
    const {stdout} = await scene.run(['sub', 's.>', '--from', 'last', '--end'])
    expect(stdout).toMatch(/^#\d+ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\S+ s\.b 6\n$/)
    const folder = mkdtempSync(join(tmpdir(), 'sub-from-'))
    onTestFinished(() => rmSync(folder, {recursive: true}))
    const tape = join(folder, 'recording.ndjson')
    const taped = await scene.run(['sub', 's.>', ...from, '--record', tape, '--where', 'json > 4', '--raw'])
    expect(taped.stderr).toContain('6 received · 2 kept')
    expect(readFileSync(tape, 'utf8').split('\n')).toHaveLength(3)
  })

  test('sub --from exits with 6 for fewer messages than requested', async () => {
    await using scene = await newScene()
    await filled(scene, 2)
    const ended = await scene.run(['sub', 's.>', '--from', 'first', '--end', '-n', '3', '--raw'])
    expect([ended.code, ended.stdout]).toEqual([6, '1\n2\n'])
    expect(ended.stderr).toContain('got 2 of 3 messages: the range has no more messages')
  })

  test('sub --from ends with exit code 0 on Ctrl-C', async () => {
    await using scene = await newScene()
    await filled(scene, 2)
    await using sub = scene.start(['sub', 's.>', '--from', 'first', '--raw'])
    await sub.stdoutLine('2')
    sub.interrupt()
    expect(await sub.ended).toMatchObject({code: 0, stderr: expect.stringContaining('2 received · 0 dropped')})
  })

  test('sub --from needs --stream if several streams store the subjects', async () => {
    await using scene = await newScene()
    await filled(scene, 1)
    await scene.transport.streams.add({name: 'T', subjects: ['t.>']})
    await scene.transport.streams.publish({subject: 't.a', data: 'other'})
    const both = await scene.run(['sub', 's.a', 't.a', '--from', 'first', '--end'])
    expect(both).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'bus: s.a t.a is stored by several streams: S, T\n  try: --stream S\n  try: --stream T\n',
    })
    expect((await scene.run(['sub', '>', '--from', 'first', '--end', '--stream', 'T', '--raw'])).stdout).toBe('other\n')
    expect(await scene.run(['sub', '>', '--from', 'first', '--stream', 'NONE'])).toMatchObject({code: 5, stdout: ''})
  })

  test.each([
    [['--from', 'somewhere'], '--from: "somewhere" is not a position in a stream'],
    [['--from', 'first', '--to', '-5'], '--to: "-5" is not a position to end at'],
    [['--to', '5'], '--to needs --from'],
    [['--from', 'first', '--queue', 'q'], '--from and --queue cannot be used together'],
  ])('sub --from refuses %j with exit code 2', async (flags, sentence) => {
    await using scene = await newScene()
    const {code, stdout, stderr} = await scene.run(['sub', 's.>', ...flags])
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(sentence)])
  })
})
