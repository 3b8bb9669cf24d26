import {expect, test} from 'vitest'
import {confirm} from '../../../../src/lib/cli/base/confirm.ts'

const {signal} = new AbortController()

test('a change that cannot be undone is made with --yes, and refused without a terminal', async () => {
  await confirm('remove stream ORDERS', {yes: true, signal})
  await expect(confirm('remove stream ORDERS', {yes: false, signal})).rejects.toMatchObject({
    kind: 'usage',
    message: 'confirmation is needed to remove stream ORDERS: pass --yes',
    try: ['--yes'],
  })
})
