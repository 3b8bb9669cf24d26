import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, expect, test} from 'vitest'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-kv-'))
afterAll(() => rmSync(folder, {recursive: true}))

/** Runs a command line, and returns its exit code, its output and the first line that it said. */
async function kv(scene: StoredScene, line: string, stdin = '') {
  const {code, stdout, stderr} = await scene.run(line.split(' '), {stdin})
  return [code, stdout, stderr.split('\n', 1)[0]?.replaceAll(scene.transport.url, 'BUS')]
}

const lines = (text: unknown) =>
  String(text)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))

onBothBuses((newScene) => {
  test('a bucket is created, listed, described and removed', async () => {
    await using scene = await newScene()
    const add = 'kv add config --history 5 --ttl 1h --max-value-size 1KiB --max-bytes 1MiB --description settings'
    expect(await kv(scene, add)).toEqual([0, '', 'bucket config is ready'])
    expect(await kv(scene, add)).toEqual([0, '', 'bucket config is ready'])
    const other = 'bus: there is a bucket config on BUS with another configuration: history 5 instead of 6'
    expect(
      (
        await kv(
          scene,
          'kv add config --history 6 --ttl 1h --max-value-size 1KiB --max-bytes 1MiB --description settings',
        )
      )[2],
    ).toBe(other)
    expect(await kv(scene, 'kv add config --history 6 --if-missing')).toEqual([0, '', 'bucket config already exists'])
    await kv(scene, 'kv put config a 1')
    const [document, ...others] = JSON.parse(String((await kv(scene, 'kv ls --json'))[1]))
    expect(others).toEqual([])
    expect(document).toMatchObject({
      ...{bucket: 'config', stream: 'KV_config', description: 'settings', history: 5, ttlMs: 3_600_000},
      ...{maxBytes: 1_048_576, maxValueSize: 1024, storage: 'file', replicas: 1, keys: 1, changes: 1},
    })
    expect(JSON.parse(String((await kv(scene, 'kv info config --json'))[1]))).toEqual(document)
    expect((await kv(scene, 'kv info config'))[1]).toMatch(/^history +5 changes$/m)
    expect((await kv(scene, 'kv ls'))[1]).toMatch(/\nconfig +1 +1 +\d+ B +5 {2}1h +/)
    expect((await kv(scene, 'kv rm config'))[0]).toBe(2)
    expect(await kv(scene, 'kv rm config --yes --json')).toEqual([0, '{"removed":"config","keys":1}\n', ''])
    expect(await kv(scene, 'kv ls')).toEqual([0, '', 'no buckets; bus kv add creates one'])
  })

  test('a value is bytes, and comes back as it was', async () => {
    await using scene = await newScene()
    await kv(scene, 'kv add b')
    const file = join(folder, 'bytes')
    writeFileSync(file, Buffer.from([0, 255, 10, 13, 128]))
    expect((await kv(scene, `kv put b bytes --file ${file}`))[0]).toBe(0)
    const entry = lines((await kv(scene, 'kv get b bytes --json'))[1])[0]
    expect(entry).toMatchObject({bucket: 'b', key: 'bytes', operation: 'put', base64: 'AP8KDYA='})
    expect((await kv(scene, 'kv put b bytes AAE= --encoding base64'))[0]).toBe(0)
    expect((await kv(scene, 'kv get b bytes'))[1]).toBe('\0\x01')
    await kv(scene, 'kv put b text', 'from stdin\n')
    expect((await kv(scene, 'kv get b text'))[1]).toBe('from stdin\n')
  })

  test('several keys and patterns are read at once, each value with a newline', async () => {
    await using scene = await newScene()
    await kv(scene, 'kv add b')
    for (const [key, value] of Object.entries({'log.level': 'info', 'log.file': 'a.log', other: '{"n":1}'}))
      await kv(scene, `kv put b ${key} ${value}`)
    expect(await kv(scene, 'kv get b log.*')).toEqual([0, 'info\na.log\n', ''])
    expect((await kv(scene, 'kv get b other log.level --json'))[1]).toMatch(/"log\.level".*\n.*"json":\{"n":1\}\}\n$/)
    expect((await kv(scene, 'kv get b > -f {subject}={text}'))[1]).toBe(
      'log.level=info\nlog.file=a.log\nother={"n":1}\n',
    )
    expect((await kv(scene, 'kv get b other --select json.n'))[1]).toBe('1\n')
    const some = await kv(scene, 'kv get b other nope')
    expect(some).toEqual([5, '{"n":1}\n', 'bus: the bucket b has no key nope'])
    expect((await kv(scene, 'kv get b none.*'))[0]).toBe(5)
    expect(JSON.parse(String((await kv(scene, 'kv ls b log.> --json'))[1]))).toMatchObject([
      {key: 'log.file', bytes: 5},
      {key: 'log.level', bytes: 4},
    ])
    expect((await kv(scene, 'kv ls b'))[1]).toMatch(/^key +revision +size +changed\nlog\.file +#\d+ +5 B/)
  })

  test('a missing key, a deleted key and a lost race have different errors', async () => {
    await using scene = await newScene()
    expect(await kv(scene, 'kv get none a')).toEqual([5, '', 'bus: there is no bucket none on BUS'])
    expect(await kv(scene, 'kv put none a 1')).toEqual([5, '', 'bus: there is no bucket none on BUS'])
    expect(await kv(scene, 'kv ls none')).toEqual([5, '', 'bus: there is no bucket none on BUS'])
    await kv(scene, 'kv add b --history 5')
    expect(await kv(scene, 'kv get b a')).toEqual([5, '', 'bus: the bucket b has no key a'])
    expect(await kv(scene, 'kv del b a')).toEqual([5, '', 'bus: the bucket b has no key a'])
    const {revision} = JSON.parse(String((await kv(scene, 'kv create b a one --json'))[1]))
    expect(await kv(scene, 'kv create b a two')).toEqual([
      9,
      '',
      `bus: the key a of the bucket b exists, with revision ${revision}`,
    ])
    const lost = await kv(scene, `kv update b a two --revision ${revision + 1}`)
    const has = `bus: the key a of the bucket b has revision ${revision}, and not revision ${revision + 1}`
    expect(lost).toEqual([9, '', has])
    expect((await kv(scene, `kv update b a two --revision ${revision}`))[0]).toBe(0)
    expect((await kv(scene, `kv del b a --revision ${revision}`))[0]).toBe(9)
    expect(await kv(scene, 'kv del b a')).toEqual([0, '', 'deleted 1 key of b'])
    const [code, , said] = await kv(scene, 'kv get b a')
    expect([code, said]).toEqual([
      5,
      expect.stringMatching(/^bus: the key a of the bucket b was deleted, as revision \d+$/),
    ])
    expect((await kv(scene, 'kv create b a three'))[0]).toBe(0)
    expect((await kv(scene, `kv get b a --revision ${revision}`))[1]).toBe('one')
    expect((await kv(scene, 'kv get b a --revision 9999'))[0]).toBe(5)
  })

  test('invalid names are refused before anything is sent', async () => {
    await using scene = await newScene()
    for (const line of ['add a.b', 'put b .a 1', 'put b a..b 1', 'put b a.* 1', 'get b a$', 'watch b a.>.b', 'ls b a.'])
      expect((await kv(scene, `kv ${line}`))[0]).toBe(2)
    expect(await kv(scene, 'kv add b --history 65')).toEqual([
      2,
      '',
      'bus: a bucket keeps at most 64 changes of each key, not 65',
    ])
  })

  test('history shows the revisions that are kept, and only a marker after a purge', async () => {
    await using scene = await newScene()
    await kv(scene, 'kv add b --history 3')
    for (const value of ['1', '2', '3', '4']) await kv(scene, `kv put b a ${value}`)
    await kv(scene, 'kv put b other x')
    expect((await kv(scene, 'kv history b a --raw'))[1]).toBe('2\n3\n4\n')
    await kv(scene, 'kv del b a')
    const operations = async () => lines((await kv(scene, 'kv history b a --json'))[1]).map(({operation}) => operation)
    expect(await operations()).toEqual(['put', 'put', 'del'])
    expect((await kv(scene, 'kv history b a'))[1]).toMatch(/ a 3\n.* a 4\n.* a \(deleted\)\n$/)
    expect(await kv(scene, 'kv purge b a')).toEqual([0, '', 'purged 1 key of b'])
    expect(await operations()).toEqual(['purge'])
    expect((await kv(scene, 'kv history b none'))[0]).toBe(5)
    expect((await kv(scene, 'kv info b'))[1]).toMatch(/^changes +2$/m)
    expect((await kv(scene, 'kv get b other'))[1]).toBe('x')
  })

  test('a pattern deletes many keys, but only when that is confirmed', async () => {
    await using scene = await newScene()
    await kv(scene, 'kv add b')
    for (const key of ['x.1', 'x.2', 'y']) await kv(scene, `kv put b ${key} v`)
    const asked = 'bus: confirmation is needed to delete 2 keys of b: x.1, x.2: pass --yes'
    expect(await kv(scene, 'kv del b x.*')).toEqual([2, '', asked])
    expect((await kv(scene, 'kv del b x.* --yes --json'))[1]).toBe('{"bucket":"b","removed":["x.1","x.2"]}\n')
    expect((await kv(scene, 'kv get b >'))[1]).toBe('v\n')
    expect((await kv(scene, 'kv del b x.* --yes'))[0]).toBe(5)
  })

  test('a watch shows the values first, then changes, and ends by its bounds', async () => {
    await using scene = await newScene()
    await kv(scene, 'kv add b')
    await kv(scene, 'kv put b a 1')
    await kv(scene, 'kv put b z 9')
    const watching = scene.start(['kv', 'watch', 'b', 'a', '-n', '3', '--json', '--for', '30s'])
    await watching.stdoutLine('{"bucket":"b","key":"a"')
    await kv(scene, 'kv put b z 10')
    await kv(scene, 'kv put b a 2')
    await kv(scene, 'kv del b a')
    const {code, stdout} = await watching.ended
    expect(code).toBe(0)
    expect(lines(stdout).map(({key, operation, json}) => [key, operation, json])).toEqual([
      ['a', 'put', 1],
      ['a', 'put', 2],
      ['a', 'del', undefined],
    ])
    expect((await kv(scene, 'kv watch b --new -n 1 --idle 100ms'))[0]).toBe(6)
    expect((await kv(scene, 'kv watch b --ignore-deletes --raw --idle 200ms'))[1]).toBe('10\n')
  })

  test('an export can be imported into another bucket, and only changes what differs', async () => {
    await using scene = await newScene()
    await kv(scene, 'kv add one --history 5')
    await kv(scene, 'kv add two --history 5')
    await kv(scene, 'kv put one a {"n":1.50}')
    await kv(scene, 'kv put one b.c text')
    await kv(scene, 'kv put one gone 1')
    await kv(scene, 'kv del one gone')
    const exported = String((await kv(scene, 'kv export one'))[1])
    expect(lines(exported).map(({key}) => key)).toEqual(['a', 'b.c'])
    await kv(scene, 'kv put two a other')
    const dry = await kv(scene, 'kv import two --dry-run', exported)
    expect(dry).toEqual([9, '~ a\n+ b.c\n', 'bus: 2 keys of two would change'])
    expect(await kv(scene, 'kv import two', exported)).toEqual([0, '', 'imported 2 changes into two'])
    expect(await kv(scene, 'kv import two - --dry-run', exported)).toEqual([0, '', 'nothing would change in two'])
    expect((await kv(scene, 'kv get two a'))[1]).toBe('{"n":1.50}')
    const history = String((await kv(scene, 'kv export one --history'))[1])
    expect(lines(history).at(-1)).toMatchObject({key: 'gone', operation: 'del'})
    expect(await kv(scene, 'kv import two --json', history)).toEqual([0, '{"bucket":"two","imported":4}\n', ''])
    expect((await kv(scene, 'kv get two gone'))[0]).toBe(5)
  })

  test('a line that cannot be imported is named, and nothing of it is stored', async () => {
    await using scene = await newScene()
    await kv(scene, 'kv add b')
    const faults: readonly (readonly [line: string, sentence: string])[] = [
      ['{', 'line 2 of stdin is not JSON'],
      ['{"key":"a"}', 'line 2 of stdin has no value'],
      ['{"key":"a b","text":""}', 'line 2 of stdin has a key that is not valid'],
      ['{"key":"a","value":"x"}', 'line 2 of stdin has a member that entries do not have: "value"'],
      ['{"key":"a","operation":"set","text":"x"}', 'line 2 of stdin has an "operation"'],
    ]
    for (const [line, sentence] of faults) {
      const [code, , said] = await kv(scene, 'kv import b', `{"key":"first","text":"1"}\n${line}\n`)
      expect([code, said]).toEqual([2, expect.stringContaining(sentence)])
    }
    expect((await kv(scene, 'kv ls b'))[1]).toBe('')
  })

  test('without a value there is nothing to set', async () => {
    await using scene = await newScene()
    await kv(scene, 'kv add b')
    expect((await scene.run(['kv', 'put', 'b', 'a', ''])).code).toBe(0)
    expect((await kv(scene, 'kv get b a --json'))[1]).toContain('"text":""')
  })
})
