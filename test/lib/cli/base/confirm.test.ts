import {expect, test} from 'vitest'
import {confirm} from '../../../../src/lib/cli/base/confirm.ts'

const {signal} = new AbortController()

test('what cannot be undone is done with --yes, and refused where nobody can be asked', async () => {
  await confirm('remove stream ORDERS', {yes: true, signal})
  await expect(confirm('remove stream ORDERS', {yes: false, signal})).rejects.toMatchObject({
    kind: 'usage',
    message: 'confirmation is needed to remove stream ORDERS: pass --yes',
    try: ['--yes'],
  })
})
