import {Chalk} from 'chalk'
import {expect, test} from 'vitest'
import {factSheet, table} from '../../../../src/lib/cli/render/table.ts'

const columns = [{head: 'stream'}, {head: 'messages', align: 'right'}, {head: 'subjects'}] as const

test('a table is aligned, even with wide characters, and has no trailing spaces', async () => {
  const rows = [
    ['ORDERS', '1,234', 'orders.>'],
    ['日本', '1', ''],
  ]
  expect(await table(columns, rows)).toBe('stream  messages  subjects\nORDERS     1,234  orders.>\n日本           1\n')
})

test('a table of a hundred thousand rows takes time in proportion to its rows, and looks the same', async () => {
  const rows = Array.from({length: 100_000}, (_, n) => [n % 2 === 0 ? 'ORDERS' : '日本', String(n), 'orders.>'])
  const started = process.cpuUsage()
  const lines = (await table(columns, rows)).split('\n')
  const {user, system} = process.cpuUsage(started)
  expect((user + system) / 1e6).toBeLessThan(10)
  expect(lines).toHaveLength(100_002)
  const few = (await table(columns, [...rows.slice(0, 100), ...rows.slice(-2)])).split('\n')
  expect(lines.slice(0, 101)).toEqual(few.slice(0, 101))
})

test('a long table is not finished once its signal aborts', async () => {
  const stop = new AbortController()
  const rows = Array.from({length: 50_000}, (_, n) => ['S', String(n), 's.>'])
  const drawing = table(columns, rows, {signal: stop.signal})
  stop.abort()
  await expect(drawing).rejects.toMatchObject({kind: 'interrupted'})
})

test('the widest columns of a table that is wider than the terminal are cut', async () => {
  const rows = [['ORDERS', '1,234', 'orders.created orders.paid orders.shipped']]
  const text = await table(columns, rows, {width: 40})
  expect(text).toBe('stream  messages  subjects\nORDERS     1,234  orders.created orders…\n')
  expect(await table(columns, rows, {width: 200})).toBe(await table(columns, rows))
})

test('untrusted names in a table cannot change the screen', async () => {
  expect(await table([{head: 'name'}], [['a\x1b[2J']])).toBe('name\na\\x1b[2J\n')
  expect(await factSheet({description: 'a\nb'})).toBe('description  a\\nb\n')
})

test('headings and names are dim on a terminal', async () => {
  const paint = new Chalk({level: 1})
  expect(await table([{head: 'name'}], [['a']], {paint})).toBe(`${paint.dim('name')}\na\n`)
  expect(await factSheet({a: '1'}, paint)).toBe(`${paint.dim('a')}  1\n`)
})

test('facts are on separate lines, without unknown ones', async () => {
  expect(await factSheet({stream: 'ORDERS', leader: undefined, size: '2 B'})).toBe('stream  ORDERS\nsize    2 B\n')
})
