import {Chalk} from 'chalk'
import {expect, test} from 'vitest'
import {factSheet, table} from '../../../../src/lib/cli/render/table.ts'

const columns = [{head: 'stream'}, {head: 'messages', align: 'right'}, {head: 'subjects'}] as const

test('a table is aligned, also with wide characters, and has no trailing spaces', async () => {
  const rows = [
    ['ORDERS', '1,234', 'orders.>'],
    ['日本', '1', ''],
  ]
  expect(await table(columns, rows)).toBe('stream  messages  subjects\nORDERS     1,234  orders.>\n日本           1\n')
})

test('untrusted names in a table cannot change the screen', async () => {
  expect(await table([{head: 'name'}], [['a\x1b[2J']])).toBe('name\na\\x1b[2J\n')
  expect(await factSheet({description: 'a\nb'})).toBe('description  a\\nb\n')
})

test('headings and names are dim on a terminal', async () => {
  const paint = new Chalk({level: 1})
  expect(await table([{head: 'name'}], [['a']], paint)).toBe(`${paint.dim('name')}\na\n`)
  expect(await factSheet({a: '1'}, paint)).toBe(`${paint.dim('a')}  1\n`)
})

test('facts are on separate lines, without unknown ones', async () => {
  expect(await factSheet({stream: 'ORDERS', leader: undefined, size: '2 B'})).toBe('stream  ORDERS\nsize    2 B\n')
})
