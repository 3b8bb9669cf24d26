import {expect, it} from 'vitest'
import {consumerOptions, streamOptions} from '../../../../src/lib/cli/render/options.ts'

it('names options in words, several of a kind in one row', () => {
  expect(streamOptions({denyPurge: true, allowAtomic: true, other: {sealed: true, compression: 's2'}})).toEqual({
    refuses: 'to purge · every change (sealed)',
    allows: 'atomic batches',
    compression: 's2',
  })
  expect(consumerOptions({other: {max_batch: 1, max_expires: 2e9}})).toEqual({'limits of a pull': '1 message · 2s'})
})

it('shows an option of a newer server under its own name', () => {
  expect(streamOptions({other: {shards: {count: 3}}})).toEqual({shards: '{"count":3}'})
  expect(consumerOptions({other: {urgent: true}})).toEqual({urgent: 'true'})
})
