import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {Message} from '../../../src/lib/core/message.ts'
import {compareMessages} from '../../../src/lib/messaging/backup/difference.ts'
import {onBothBuses} from '../../both-buses.ts'
import {bus} from '../../bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-diff-'))
afterAll(() => rmSync(folder, {recursive: true}))
let files = 0
const newPath = (name: string) => join(folder, `${++files}-${name}`)

onBothBuses((newScene) => {
  test('a stream is compared with its backup and with its copy, and what is missing is copied', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'ORDERS', 'orders.>'])
    const {streams} = scene.transport
    for (const data of ['a', 'a', 'b']) await streams.publish({subject: 'orders.new', data})
    await streams.publish({subject: 'orders.paid', data: 'c', headers: [['Nats-Msg-Id', 'c-1']]})
    const path = newPath('orders.zst')
    const copy = newPath('copy.db')
    await scene.run(['stream', 'backup', 'ORDERS', path])
    await scene.run(['consumer', 'replay', 'ORDERS', '--into', copy, '--create'])
    const same = await scene.run(['stream', 'diff', 'ORDERS', '--to-bus', copy])
    expect(same).toMatchObject({code: 0, stderr: expect.stringContaining('have the same 4 messages\n')})
    expect(await scene.run(['stream', 'diff', path, 'ORDERS'])).toMatchObject({code: 0})

    await streams.publish({subject: 'orders.new', data: 'a'})
    await streams.publish({subject: 'orders.new', data: 'later'})
    const differ = await scene.run(['stream', 'diff', 'ORDERS', path, '--json'])
    expect(differ.code).toBe(9)
    const {data, message} = JSON.parse(differ.stderr).error
    expect(message).toContain('differ: 2 messages only in the first')
    expect(data).toMatchObject({same: 4, left: 2, right: 0, changed: 0, subjects: {'orders.new': {left: 2}}})
    expect(data.first).toHaveLength(2)

    const fixed = await scene.run(['stream', 'diff', 'ORDERS', '--to-bus', copy, '--fix'])
    expect(fixed).toMatchObject({code: 0, stderr: expect.stringContaining('copied 2 messages to ORDERS of')})
    expect(await scene.run(['stream', 'diff', 'ORDERS', '--to-bus', copy])).toMatchObject({code: 0})
    expect((await bus(['stream', 'info', 'ORDERS', '-b', copy, '--json'])).stdout).toContain('"messages":6')
    const again = await scene.run(['consumer', 'replay', 'ORDERS', '--into', copy])
    expect(again.stderr).toContain('6 already there')
    const toFile = await scene.run(['stream', 'diff', 'ORDERS', path, '--fix'])
    expect(toFile).toMatchObject({code: 2, stderr: expect.stringContaining('is a file')})
  })

  test('a restore of a backup is the same as the original', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'ORDERS', 'orders.>'])
    for (let i = 0; i < 20; i++)
      await scene.transport.streams.publish({
        subject: `orders.${i % 3}`,
        data: String(i),
        headers: [['Nats-Msg-Id', `m${i}`]],
      })
    const path = newPath('orders.zst')
    const copy = newPath('copy.db')
    await scene.run(['stream', 'backup', 'ORDERS', path])
    await bus(['stream', 'restore', path, '-b', copy])
    expect(await scene.run(['stream', 'diff', 'ORDERS', '--to-bus', copy, '--ordered'])).toMatchObject({code: 0})
    const from = await bus(['stream', 'diff', path, 'ORDERS', '--to-bus', copy])
    expect(from).toMatchObject({code: 0, stderr: expect.stringContaining('20 messages')})
    const nothing = await scene.run(['stream', 'diff', 'ORDERS'])
    expect(nothing).toMatchObject({code: 2, stderr: expect.stringContaining('there is nothing to compare it with')})
    expect(await scene.run(['stream', 'diff', 'ORDERS', 'NONE'])).toMatchObject({code: 5})
  })
})

describe('messages are compared', () => {
  const stream = (...texts: string[]) => {
    const all = texts.map((text, at) => new Message('a', text, [], undefined, at + 1))
    return {take: async (max: number) => all.splice(0, max)}
  }
  const {signal} = new AbortController()
  const compare = async (one: string[], other: string[]) => {
    const {left, right, same, moved, changed} = await compareMessages(stream(...one), stream(...other), {signal})
    return {left, right, same, moved, changed}
  }

  test('each as often as it occurs', async () => {
    expect(await compare(['a', 'a', 'b'], ['a', 'b'])).toEqual({left: 1, right: 0, same: 2, moved: 0, changed: 0})
  })

  test('in whatever order', async () => {
    const moved = await compare(['a', 'b', 'c'], ['c', 'a', 'b'])
    expect(moved).toMatchObject({left: 0, right: 0, same: 3})
    expect(moved.moved).toBeGreaterThan(0)
    const many = Array.from({length: 5000}, (_, i) => String(i))
    expect(await compare(many.slice(3000), many)).toMatchObject({right: 3000, same: 2000, moved: 0})
  })
})
