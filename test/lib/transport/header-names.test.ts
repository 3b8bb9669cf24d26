import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {Message} from '../../../src/lib/core/message.ts'
import {onBothBuses} from '../../both-buses.ts'
import {bus} from '../../bus.ts'

onBothBuses((newScene) => {
  test('header names that a server knows are sent in its spelling', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'H', 'h.>'])
    const pub = (body: string, header: string) => scene.run(['pub', 'h.a', body, '--ack', '-H', header, '--json'])
    await pub('1', 'Nats-Msg-Id: a')
    for (const name of ['nats-msg-id', 'NATS-MSG-ID'])
      expect(JSON.parse((await pub('2', `${name}: a`)).stdout)).toMatchObject({duplicates: 1})
    expect(await pub('3', 'nats-expected-last-sequence: 99')).toMatchObject({code: 8})
    const stored = await scene.run(['stream', 'get', 'H', '--last-for', 'h.a', '--json'])
    expect(JSON.parse(stored.stdout).headers).toEqual({'Nats-Msg-Id': 'a'})
  })
})

describe('a header', () => {
  test('is looked up by its exact name first', () => {
    const message = new Message('a', '', [
      ['X-Trace', '1'],
      ['x-trace', '2'],
    ])
    expect([message.header('X-Trace'), message.header('x-trace'), message.header('X-TRACE')]).toEqual(['1', '2', '1'])
  })

  test('is looked up by its exact name first in a placeholder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bus-header-'))
    const on = ['-b', join(folder, 'h.db')]
    await bus(['stream', 'add', 'S', 's', ...on])
    await bus(['pub', 's', '1', '--ack', '-H', 'X-Trace: 1', '-H', 'x-trace: 2', ...on])
    const shown = await bus(['sub', 's', '--from', 'first', '-n', '1', '-f', '{headers.x-trace}', ...on])
    expect(shown.stdout.trim()).toBe('2')
    rmSync(folder, {recursive: true})
  })
})
