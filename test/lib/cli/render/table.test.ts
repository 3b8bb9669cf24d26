import {Chalk} from 'chalk'
import {expect, test} from 'vitest'
import {factSheet, table} from '../../../../src/lib/cli/render/table.ts'

const columns = [{head: 'stream'}, {head: 'messages', align: 'right'}, {head: 'subjects'}] as const

test('a table is aligned, wide characters too, and has no spaces at the end of a line', async () => {
  const rows = [
    ['ORDERS', '1,234', 'orders.>'],
    ['日本', '1', ''],
  ]
  expect(await table(columns, rows)).toBe('stream  messages  subjects\nORDERS     1,234  orders.>\n日本           1\n')
})

test('what strangers named cannot change the screen', async () => {
  expect(await table([{head: 'name'}], [['a\x1b[2J']])).toBe('name\na\\x1b[2J\n')
  expect(await factSheet({description: 'a\nb'})).toBe('description  a\\nb\n')
})

test('heads and names are dim on a terminal', async () => {
  const paint = new Chalk({level: 1})
  expect(await table([{head: 'name'}], [['a']], paint)).toBe(`${paint.dim('name')}\na\n`)
  expect(await factSheet({a: '1'}, paint)).toBe(`${paint.dim('a')}  1\n`)
})

test('facts stand below each other, without those that are not known', async () => {
  expect(await factSheet({stream: 'ORDERS', leader: undefined, size: '2 B'})).toBe('stream  ORDERS\nsize    2 B\n')
})
