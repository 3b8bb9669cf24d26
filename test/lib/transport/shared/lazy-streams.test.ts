import {expect, test} from 'vitest'
import {noStreams} from '../../../../src/lib/transport/shared/lazy-streams.ts'

test('a bus without streams fails with its name, whatever is requested', async () => {
  const {publisher, consumers, ...streams} = noStreams('none:x')
  const refusal = {kind: 'notFound', message: expect.stringContaining('none:x')}
  for (const [name, use] of Object.entries({...streams, ...consumers})) {
    await expect((use as () => Promise<unknown>)(), name).rejects.toMatchObject(refusal)
  }
  expect(() => publisher()).toThrow(expect.objectContaining({kind: 'notFound'}))
})
