import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {CopiedMessages} from '../../../../src/lib/messaging/replay/verify.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {onBothBuses} from '../../../both-buses.ts'

const folder = mkdtempSync(join(tmpdir(), 'verify-'))
afterAll(() => rmSync(folder, {recursive: true}))
let files = 0

describe('the comparison of copies with their originals', () => {
  onBothBuses((newScene) => {
    test('tells copies that are the same, changed, missing, or without an original', async () => {
      await using scene = await newScene()
      const {streams} = scene.transport
      await using target = await open(join(folder, `${++files}.db`))
      for (const each of [streams, target.streams]) await each.add({name: 'S', subjects: ['s']})
      const copied = new CopiedMessages()
      const copies: number[] = []
      for (const n of [1, 2, 3, 4, 5, 6]) {
        const {seq} = await streams.publish({subject: 's', data: `${n}`})
        const headers: [string, string][] = [
          ['Bus-Source', n === 6 ? 'another' : 'id'],
          ['Bus-Sequence', String(seq)],
        ]
        const copy = await target.streams.publish({subject: 's', data: n === 2 ? 'other' : `${n}`, headers})
        if (n < 6) copied.stored(seq, copy.seq)
        copies.push(copy.seq)
      }
      const [, second, third = 0, , fifth = 0] = copies
      for (const seq of [third, fifth]) await target.streams.erase('S', seq)
      const first = (await streams.info('S')).state.firstSeq
      for (const n of [3, 4]) await streams.erase('S', first + n)
      expect(
        await copied.compare(
          {bus: scene.transport, stream: 'S'},
          {bus: target, stream: 'S', sourceId: 'id'},
          {signal: new AbortController().signal},
        ),
      ).toEqual({
        ...{same: 1, changed: 1, missing: 2, gone: 1},
        first: [
          {subject: 's', left: first + 1, right: second},
          {subject: 's', left: first + 2},
          {subject: undefined, left: first + 4},
        ],
      })
    })

    test('of a stream without messages finds all of them missing', async () => {
      await using scene = await newScene()
      await using target = await open(join(folder, `${++files}.db`))
      for (const {streams} of [scene.transport, target]) await streams.add({name: 'S', subjects: ['s']})
      const copied = new CopiedMessages()
      for (let seq = 1; seq <= 5000; seq++) copied.stored(seq, seq)
      const signal = new AbortController().signal
      const sides = [
        {bus: scene.transport, stream: 'S'},
        {bus: target, stream: 'S', sourceId: 'id'},
      ] as const
      const {first, ...counts} = await copied.compare(...sides, {signal})
      expect(counts).toEqual({same: 0, changed: 0, missing: 5000, gone: 0})
      expect(first.map(({left}) => left)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    })
  })
})
