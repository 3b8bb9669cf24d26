import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {readCorpus} from './corpus.ts'
import {mutate, randomFrom} from './mutate.ts'
import type {Target} from './target.ts'
import {targets} from './targets.ts'

/** `npm run fuzz` runs each target for seconds; these runs should take one. */
const runs = 100

describe.each(Object.entries(targets))('%s', async (name, load) => {
  const {target} = await load()
  const kept = readCorpus(name, target)

  test('handles every input of its corpus', async () => {
    for (const input of kept) await target.run(input)
    expect(kept.length).toBeLessThan(100)
  })

  test('handles mutations of its corpus, and random bytes', async () => {
    await fc.assert(
      fc.asyncProperty(inputs(target, kept), async (input) => void (await target.run(input))),
      {
        numRuns: runs,
        interruptAfterTimeLimit: 1000,
      },
    )
  })
})

function inputs({words}: Target, kept: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const piece = fc.oneof(fc.constantFrom(...words), fc.string({unit: 'binary', maxLength: 8}), fc.constant('\n'))
  return fc.oneof(
    fc.uint8Array({maxLength: 200}),
    fc.array(piece, {maxLength: 30}).map((pieces) => new Uint8Array(Buffer.from(pieces.join('')))),
    fc
      .tuple(fc.constantFrom(...kept), fc.nat())
      .map(([input, seed]) => mutate(input, kept, words, randomFrom(seed)).subarray(0, 2000)),
  )
}
