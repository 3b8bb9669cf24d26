import {setTimeout as wait} from 'node:timers/promises'
import {describe, expect, test} from 'vitest'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'

const lines = ['pub', 's.a', '--lines', '--batch']

async function messages(scene: StoredScene): Promise<number> {
  return (await scene.transport.streams.info('S')).state.messages
}

/** False on a server before 2.12. */
async function withStream(scene: StoredScene): Promise<boolean> {
  const {code, stderr} = await scene.run(['stream', 'add', 'S', 's.*', '--allow-atomic'])
  if (code !== 0) expect(stderr).toContain('needs 2.12')
  return code === 0
}

describe('pub --batch', () => {
  onBothBuses((newScene) => {
    test('stores all lines together, and reports where', async () => {
      await using scene = await newScene()
      if (!(await withStream(scene))) return
      const said = await scene.run(lines, {stdin: 'a\nb\nc\n'})
      const {lastSeq} = (await scene.transport.streams.info('S')).state
      expect([said.code, said.stdout]).toEqual([0, ''])
      expect(said.stderr).toMatch(new RegExp(`^3 stored together · 3 B · last is #${lastSeq} of S · `))
      const {ms, seq, ...result} = JSON.parse((await scene.run([...lines, '--json'], {stdin: 'a\nb\n'})).stdout)
      expect(result).toEqual({
        ...{published: 2, subject: 's.a', bytes: 2, acknowledged: 2, duplicates: 0, stream: 'S'},
      })
      expect(seq).toBe((await scene.transport.streams.info('S')).state.lastSeq)
      expect(ms).toBeGreaterThan(0)
    })

    test('stores records with their headers, and nothing if one of them is refused', async () => {
      await using scene = await newScene()
      if (!(await withStream(scene))) return
      const record = (subject: string, headers?: object) => `${JSON.stringify({subject, text: 'x', headers})}\n`
      const pub = ['pub', '--records', '-', '--batch', '--obey-headers']
      const bad = record('s.a') + record('s.b', {'Nats-Expected-Stream': 'T'}) + record('s.c')
      const refused = await scene.run(pub, {stdin: bad})
      expect([refused.code, refused.stderr]).toEqual([8, expect.stringMatching(/^bus: .*; nothing is stored\n/)])
      const strange = await scene.run(pub, {stdin: record('s.a') + record('t.a')})
      expect([strange.code, strange.stderr]).toEqual([
        2,
        expect.stringMatching(/^bus: line 2: .*"t\.a"; nothing is stored\n/),
      ])
      const broken = await scene.run(pub, {stdin: `${record('s.a')}{\n`})
      expect([broken.code, broken.stderr]).toEqual([2, expect.stringMatching(/^bus: line 2 .*; nothing is stored\n/)])
      expect(await messages(scene)).toBe(0)
      expect(await scene.run(pub, {stdin: record('s.a', {N: '1'}) + record('s.b')})).toMatchObject({code: 0})
      const {headers} = await scene.transport.streams.last('S', 's.a')
      expect(headers).toContainEqual(['N', '1'])
    })

    test('is done again as a whole: ids that the stream remembers refuse the batch', async () => {
      await using scene = await newScene()
      if (!(await withStream(scene))) return
      const again = [...lines, '--ack', '--template', '--msg-id', 'n-{n}']
      expect(await scene.run(again, {stdin: 'a\nb\n'})).toMatchObject({code: 0})
      const refused = await scene.run([...again, '--json'], {stdin: 'a\nb\nc\n'})
      expect(refused.code).toBe(8)
      expect(JSON.parse(refused.stderr)).toMatchObject({error: {kind: 'remote', data: {code: 10201, stored: []}}})
      expect(await messages(scene)).toBe(2)
    })

    test('refuses a stream that does not accept batches, and more than 1,000 messages', async () => {
      await using scene = await newScene()
      await scene.run(['stream', 'add', 'S', 's.*'])
      const disabled = await scene.run(lines, {stdin: 'a\nb\n'})
      expect(disabled).toMatchObject({code: 2, stderr: expect.stringMatching(/accepts no batches|needs 2\.12/)})
      expect(await messages(scene)).toBe(0)
      const edited = await scene.run(['stream', 'edit', 'S', '--allow-atomic'])
      if (edited.code !== 0) return
      const many = Array.from({length: 1001}, (_, i) => `${i}\n`)
      const long = await scene.run(lines, {stdin: many.join('')})
      expect(long).toMatchObject({code: 2, stderr: expect.stringContaining('at most 1000 messages: nothing is stored')})
      expect(await scene.run(['pub', 'nowhere', 'x', '--batch'])).toMatchObject({code: 5})
      expect(await messages(scene)).toBe(0)
      expect(await scene.run(lines, {stdin: many.slice(1).join('')})).toMatchObject({code: 0})
      expect(await messages(scene)).toBe(1000)
    })

    test('stores all or nothing if it is killed', async () => {
      await using scene = await newScene()
      if (!(await withStream(scene))) return
      const stdin = Array.from({length: 1000}, (_, i) => `${i}\n`).join('')
      for (const ms of [150, 250, 350]) {
        await using running = scene.start(lines, {stdin: 'open'})
        running.stdin.end(stdin)
        await wait(ms)
        running.kill('SIGKILL')
        await running.ended
      }
      expect((await messages(scene)) % 1000).toBe(0)
    })

    test('stores nothing if the input is empty, or interrupted', async () => {
      await using scene = await newScene()
      if (!(await withStream(scene))) return
      expect(await scene.run(lines, {stdin: ''})).toMatchObject({code: 0, stderr: expect.stringContaining('empty')})
      await using running = scene.start(lines, {stdin: 'open'})
      running.stdin.write('a\nb\n')
      await wait(1000)
      running.interrupt()
      const {code, stderr} = await running.ended
      expect([code, stderr]).toEqual([130, 'bus: interrupted; nothing is stored\n'])
      expect(await messages(scene)).toBe(0)
    })
  })
})
