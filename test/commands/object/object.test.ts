import {randomBytes} from 'node:crypto'
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, expect, test} from 'vitest'
import {ObjectStore} from '../../../src/lib/messaging/objects/object-store.ts'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-object-'))
afterAll(() => rmSync(folder, {recursive: true}))

/** Three chunks, the last of which is shorter. */
const content = randomBytes(300_000)
const file = join(folder, 'app.tar')
writeFileSync(file, content)

async function object(scene: StoredScene, line: string, stdin: string | Uint8Array = '') {
  const {code, stdout, stderr} = await scene.run(line.split(' '), {stdin})
  return [code, stdout, stderr.split('\n', 1)[0]?.replaceAll(scene.transport.url, 'BUS')]
}

onBothBuses((newScene) => {
  test('a bucket is created, listed, described and removed', async () => {
    await using scene = await newScene()
    const add = 'object add builds --ttl 1h --max-bytes 10MiB --description artefacts'
    expect(await object(scene, add)).toEqual([0, '', 'object bucket builds is ready'])
    expect((await object(scene, 'object add builds'))[0]).toBe(2)
    expect(await object(scene, 'object add builds --if-missing')).toEqual([
      0,
      '',
      'object bucket builds already exists',
    ])
    const [document, ...others] = JSON.parse(String((await object(scene, 'object ls --json'))[1]))
    expect(others).toEqual([])
    expect(document).toMatchObject({
      ...{bucket: 'builds', stream: 'OBJ_builds', description: 'artefacts', ttlMs: 3_600_000},
      ...{maxBytes: 10_485_760, storage: 'file', replicas: 1},
    })
    expect(JSON.parse(String((await object(scene, 'object info builds --json'))[1]))).toEqual(document)
    expect((await object(scene, 'object info builds'))[1]).toMatch(/^limits +10 MiB$/m)
    expect((await object(scene, 'object rm builds'))[0]).toBe(2)
    expect((await object(scene, 'object rm builds --yes'))[0]).toBe(0)
    expect(await object(scene, 'object ls')).toEqual([0, '', 'no object buckets; bus object add creates one'])
  })

  test('a file is stored in chunks and comes back byte for byte', async () => {
    await using scene = await newScene()
    await object(scene, 'object add b')
    const stored = JSON.parse(String((await object(scene, `object put b ${file} --json`))[1]))
    expect(stored).toMatchObject({bucket: 'b', name: 'app.tar', size: 300_000, chunks: 3, chunkSize: 131_072})
    const out = join(folder, `${crypto.randomUUID()}.tar`)
    expect((await object(scene, `object get b app.tar --output ${out}`))[0]).toBe(0)
    expect(readFileSync(out).equals(content)).toBe(true)
    expect(await object(scene, `object get b app.tar --output ${out}`)).toEqual([
      2,
      '',
      `bus: there is a file ${out}: it was not replaced`,
    ])
    expect((await object(scene, `object get b app.tar --output ${out} --force`))[0]).toBe(0)
    const piped = await scene.run(['object', 'get', 'b', 'app.tar'])
    expect(piped.bytes.equals(content)).toBe(true)
    const {digest, ...info} = JSON.parse(String((await object(scene, 'object info b app.tar --json'))[1]))
    expect([digest, info.revision]).toEqual([stored.digest, stored.revision])
    expect((await object(scene, 'object info b app.tar'))[1]).toMatch(/^digest +SHA-256=\S+=$/m)
  })

  test('stdin becomes an object, also an empty one', async () => {
    await using scene = await newScene()
    await object(scene, 'object add b')
    expect((await object(scene, 'object put b -', 'x'))[2]).toBe('bus: an object from stdin needs a name')
    expect((await object(scene, 'object put b - --name some/text.txt', 'hello'))[0]).toBe(0)
    expect((await object(scene, 'object get b some/text.txt'))[1]).toBe('hello')
    expect((await object(scene, 'object put b - --name empty'))[0]).toBe(0)
    expect(await object(scene, 'object get b empty')).toEqual([0, '', ''])
    expect((await object(scene, 'object ls b'))[1]).toMatch(/^object .*\nempty +0 B +.*\nsome\/text\.txt +5 B /)
  })

  test('a second object takes the place of the first, whose chunks go', async () => {
    await using scene = await newScene()
    await object(scene, 'object add b')
    await object(scene, `object put b ${file}`)
    await object(scene, 'object put b - --name app.tar', 'small')
    expect((await object(scene, 'object get b app.tar'))[1]).toBe('small')
    const subjects = [...(await scene.transport.streams.subjects('OBJ_b')).keys()]
    expect(subjects.map((subject) => subject.replace(/C\..*/, 'C'))).toEqual(
      expect.arrayContaining(['$O.b.C', '$O.b.M.YXBwLnRhcg==']),
    )
    expect((await scene.transport.streams.info('OBJ_b')).state.messages).toBe(2)
  })

  test('an object that cannot be read to its end leaves nothing, and the earlier one stays', async () => {
    await using scene = await newScene()
    await object(scene, 'object add b')
    await object(scene, 'object put b - --name a', 'before')
    async function* broken() {
      yield content
      throw new Error('the disk is gone')
    }
    const store = new ObjectStore(scene.transport.streams, 'b')
    const meta = {name: 'a', headers: [], metadata: {}}
    await expect(store.put(meta, broken(), {maxPayload: scene.transport.maxPayload})).rejects.toThrow('disk is gone')
    expect((await object(scene, 'object get b a'))[1]).toBe('before')
    expect((await scene.transport.streams.info('OBJ_b')).state.messages).toBe(2)
    expect((await object(scene, 'object put b nosuchfile'))[0]).toBe(5)
  })

  test('a put that is killed or interrupted leaves the earlier object as it was', async () => {
    await using scene = await newScene()
    await object(scene, 'object add b')
    await object(scene, 'object put b - --name a', 'before')
    for (const signal of ['SIGKILL', 'SIGINT'] as const) {
      await using putting = scene.start(['object', 'put', 'b', '-', '--name', 'a'], {stdin: 'open'})
      putting.stdin.write(content)
      const stored = async () => (await scene.transport.streams.info('OBJ_b')).state.messages
      await expect.poll(stored, {timeout: 20_000}).toBeGreaterThan(2)
      putting.kill(signal)
      const {code} = await putting.ended
      expect(code).toBe(signal === 'SIGINT' ? 130 : null)
      expect((await object(scene, 'object get b a'))[1]).toBe('before')
      // Only the killed one could not clean up.
      if (signal === 'SIGINT') expect(await stored()).toBe(2)
      else await scene.transport.streams.purge('OBJ_b', {keep: 0, pattern: '$O.b.C.>'})
      await object(scene, 'object put b - --name a', 'before')
    }
  })

  test('metadata that cannot be read is reported, and the others are listed', async () => {
    await using scene = await newScene()
    await object(scene, 'object add b')
    await object(scene, 'object put b - --name good', 'content')
    await scene.transport.streams.publish({subject: '$O.b.M.YmFk', data: '{"name":7}'})
    const greedy = {name: 'all', bucket: 'b', nuid: '>', size: 7, chunks: 1, digest: ''}
    await scene.transport.streams.publish({subject: '$O.b.M.YWxs', data: JSON.stringify(greedy)})
    const [code, stdout, said] = await object(scene, 'object ls b')
    expect([code, said]).toEqual([
      0,
      expect.stringMatching(/^warning: the message #\d+ of \$O\.b\.M\.YmFk is not the metadata/),
    ])
    expect(stdout).toMatch(/\nall .*\ngood /)
    expect((await object(scene, 'object get b bad'))[0]).toBe(8)
    // Its chunks would be those of all objects.
    expect((await object(scene, 'object get b all'))[0]).toBe(8)
    expect((await object(scene, 'object rm b all'))[0]).toBe(0)
    expect((await object(scene, 'object get b good'))[1]).toBe('content')
  })

  test('damaged content is exit code 8, and no file is left', async () => {
    await using scene = await newScene()
    await object(scene, 'object add b')
    const {nuid} = JSON.parse(String((await object(scene, 'object put b - --name a --json', 'content'))[1]))
    await scene.transport.streams.purge('OBJ_b', {pattern: `$O.b.C.${nuid}`})
    await scene.transport.streams.publish({subject: `$O.b.C.${nuid}`, data: 'CONTENT'})
    const out = join(folder, `${crypto.randomUUID()}.bin`)
    const [code, , said] = await object(scene, `object get b a --output ${out}`)
    expect([code, said]).toEqual([8, expect.stringContaining('is damaged: its digest is')])
    expect(existsSync(out)).toBe(false)
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([])
    await scene.transport.streams.purge('OBJ_b', {pattern: `$O.b.C.${nuid}`})
    expect((await object(scene, 'object get b a'))[2]).toContain('it has 0 of 7 bytes')
  })

  test('missing and deleted objects are exit code 5', async () => {
    await using scene = await newScene()
    expect(await object(scene, 'object get b a')).toEqual([5, '', 'bus: there is no object bucket b on BUS'])
    expect((await object(scene, `object put b ${file}`))[2]).toBe('bus: there is no object bucket b on BUS')
    await object(scene, 'object add b')
    expect(await object(scene, 'object get b a')).toEqual([5, '', 'bus: the object bucket b has no object a'])
    expect((await object(scene, 'object rm b a'))[0]).toBe(5)
    await object(scene, `object put b ${file} --name a`)
    expect((await object(scene, 'object rm b a --json'))[1]).toBe('{"bucket":"b","removed":["a"]}\n')
    expect((await object(scene, 'object get b a'))[2]).toBe(
      'bus: the object bucket b no longer has the object a, which was deleted',
    )
    expect((await object(scene, 'object ls b --json'))[1]).toBe('[]\n')
    expect((await scene.transport.streams.info('OBJ_b')).state.messages).toBe(1)
  })

  test('a watch shows the objects first, then changes, and ends by its bounds', async () => {
    await using scene = await newScene()
    await object(scene, 'object add b')
    await object(scene, 'object put b - --name one', '1')
    const watching = scene.start(['object', 'watch', 'b', '-n', '3', '--json', '--for', '30s'])
    await watching.stdoutLine('{"bucket":"b","name":"one"')
    await object(scene, 'object put b - --name two', '22')
    await object(scene, 'object rm b one')
    const {code, stdout} = await watching.ended
    expect(code).toBe(0)
    const seen = stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
    expect(seen.map(({name, size, deleted}) => [name, size, deleted])).toEqual([
      ['one', 1, false],
      ['two', 2, false],
      ['one', 0, true],
    ])
    expect((await object(scene, 'object watch b --new -n 1 --idle 100ms'))[0]).toBe(6)
  })

  test('a link is followed, but not in a circle', async () => {
    await using scene = await newScene()
    await object(scene, 'object add b')
    await object(scene, 'object put b - --name real', 'content')
    const link = (name: string, to: object) =>
      scene.transport.streams.publish({
        subject: `$O.b.M.${Buffer.from(name).toString('base64url')}`,
        data: JSON.stringify({name, bucket: 'b', options: {link: to}}),
      })
    await link('sly', {bucket: 'b', name: 'real'})
    await link('ohm', {bucket: 'b', name: 'ohm'})
    await link('all', {bucket: 'other'})
    expect((await object(scene, 'object get b sly'))[1]).toBe('content')
    expect((await object(scene, 'object info b sly'))[1]).toMatch(/^size +link to b\/real$/m)
    expect((await object(scene, 'object get b ohm'))[0]).toBe(8)
    expect((await object(scene, 'object get b all'))[0]).toBe(2)
  })
})
