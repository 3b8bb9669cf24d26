import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {open} from '../../../src/lib/transport/open.ts'

test('a memory bus is shared by all connections to its name', async () => {
  await using one = await open('memory:open-test')
  await using same = await open('memory:open-test')
  await using other = await open('memory:open-test-2')
  const [heard, unheard] = [await same.subscribe('a'), await other.subscribe('a')]
  one.publish({subject: 'a', data: 'x'})
  await unheard.drain()
  expect((await heard.take(1)).map((message) => message.text)).toEqual(['x'])
  expect(await unheard.take(1)).toEqual([])
  expect(one.url).toBe('memory:open-test')
})

test('a memory bus is forgotten when its last connection closes', async () => {
  const first = await open('memory:open-test-3')
  const left = await first.subscribe('a')
  await first.close()
  await using second = await open('memory:open-test-3')
  await expect(second.request({subject: 'a'})).rejects.toMatchObject({kind: 'noResponders'})
  expect(await left.take(1)).toEqual([])
})

test('a bus file is opened by its path', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'busline-'))
  try {
    const path = join(folder, 'bus.db')
    await using bus = await open(path)
    expect(bus.url).toBe(`sqlite:${path}`)
  } finally {
    await rm(folder, {recursive: true})
  }
})

test.each(['', 'bus', 'http://localhost', 'kafka://x'])(
  '%j is not a bus, and the error gives examples',
  async (url) => {
    await expect(open(url)).rejects.toMatchObject({
      kind: 'usage',
      message: `${JSON.stringify(url)} is not a bus`,
      try: expect.arrayContaining([expect.stringContaining('sqlite:')]),
    })
  },
)
