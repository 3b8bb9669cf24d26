import assert from 'node:assert/strict'
import {Message} from '../../../src/lib/core/message.ts'
import {KvEntry} from '../../../src/lib/messaging/kv/entry.ts'
import {entryWriter, type KvChange, parseEntries} from '../../../src/lib/messaging/kv/entry-json.ts'
import {checkBucketName, checkKey, checkKeyPattern} from '../../../src/lib/messaging/kv/names.ts'
import {objectInfoJson, parseObjectInfo} from '../../../src/lib/messaging/objects/object-info.ts'
import {refused, refusedLater, type Target, textOf} from '../target.ts'

/** Lines that `kv import` reads, and the metadata of objects, which any client can write. */
export const target: Target = {
  seeds: [
    '{"bucket":"b","key":"a.b","revision":7,"time":"2026-11-20T10:24:31.482193Z","operation":"put","headers":{"A":"1"},"json":{"n":1.10}}',
    '{"key":"a","operation":"del"}\n{"key":"b","base64":"/+8="}\n\n{"key":"c","text":"x"}',
    '{"name":"n","description":"d","headers":{"A":["1","2"]},"metadata":{"a":"b"},"options":{"link":{"bucket":"b","name":"n"},"max_chunk_size":131072},"bucket":"b","nuid":"chunk1","size":5,"mtime":"0001-01-01T00:00:00Z","chunks":1,"digest":"SHA-256=x","deleted":true}',
    '{"name":"n","bucket":"b","nuid":">","size":1e300}',
    'a.b.*.>',
  ],
  words: [
    ...['{"key":"', '"operation":"', '"put"', '"del"', '"purge"', '"json":', '"text":', '"base64":"', '"headers":{'],
    ...[
      '{"name":"',
      '"bucket":"',
      '"nuid":"',
      '"size":',
      '"chunks":',
      '"digest":"',
      '"options":{',
      '"link":{',
      'null',
      '\n',
    ],
  ],
  async run(bytes) {
    const text = textOf(bytes)
    for (const check of [checkBucketName, checkKey, checkKeyPattern]) refused(() => check(text))
    const changes = await refusedLater(() => all(parseEntries(lines(text), 'it')))
    for (const change of changes ?? []) await assertSame(change)
    const info = refused(() => parseObjectInfo(new Message('$O.b.M.x', text, [], undefined, 7, 1000)))
    if (info === undefined) return
    assert.match(info.nuid, /^[\w-]*$/)
    const again = parseObjectInfo(new Message('$O.b.M.x', objectInfoJson(info), [], undefined, 7, 1000))
    const {link: _, ...own} = info
    assert.deepEqual({...again, headers: []}, {...own, headers: []})
  },
}

async function assertSame({key, operation, value = '', headers}: KvChange): Promise<void> {
  if (operation !== 'put') return
  const entry = new KvEntry(key, new Message('s', value, headers, undefined, 1, 0))
  if (entry.operation !== 'put' || entry.headers.length < headers.length) return
  const [again] = await all(parseEntries(lines(entryWriter('b')(entry)), 'it'))
  assert.ok(again !== undefined)
  assert.deepEqual(Buffer.from(again.value ?? ''), Buffer.from(value))
  assert.deepEqual([again.key, again.headers], [key, headers])
}

async function* lines(text: string) {
  yield text.split('\n')
}

async function all<T>(batches: AsyncIterable<readonly T[]>): Promise<T[]> {
  const found: T[] = []
  for await (const batch of batches) found.push(...batch)
  return found
}
