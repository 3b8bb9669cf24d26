import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {splitLines, type TextLine} from '../../../../src/lib/messaging/pubsub/lines.ts'

const longest = 1024 * 1024

async function* inChunks(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (let turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function linesOf(bytes: Uint8Array, delimiter = '\n', sizes = [64]): Promise<TextLine[]> {
  const lines: TextLine[] = []
  for await (const batch of splitLines(inChunks(bytes, sizes), {delimiter, longest})) lines.push(...batch)
  return lines
}

describe('lines', () => {
  test('are the data between delimiters, whatever the chunks', async () => {
    const sizes = fc.array(fc.integer({min: 1, max: 20}), {minLength: 1, maxLength: 5})
    const delimiters = ['\n', '\0', '\r\n', '--', '-+-', 'é']
    const piece = fc.constantFrom(...delimiters, '-', '\r', 'a', '漢', '\xff')
    const bytes = fc
      .array(piece)
      .map((all) => Buffer.concat(all.map((one) => Buffer.from(one, one === '\xff' ? 'latin1' : 'utf8'))))
    await fc.assert(
      fc.asyncProperty(bytes, fc.constantFrom(...delimiters), sizes, async (input, delimiter, chunks) => {
        const expected = input.toString('latin1').split(Buffer.from(delimiter).toString('latin1'))
        if (expected.at(-1) === '') expected.pop()
        const lines = await linesOf(input, delimiter, chunks)
        expect(lines.map((line) => Buffer.from(line).toString('latin1'))).toEqual(expected)
      }),
      {numRuns: 500},
    )
  })

  test('are text if they are UTF-8, and otherwise bytes', async () => {
    const bytes = Buffer.concat([Buffer.from('é\n'), Buffer.from([0xff, 0x0a]), Buffer.from('漢\n')])
    expect(await linesOf(bytes)).toEqual(['é', Buffer.from([0xff]), '漢'])
    expect(await linesOf(Buffer.from('é\n漢'), '\n', [1])).toEqual(['é', '漢'])
  })

  test('are empty between adjacent delimiters, and keep incomplete delimiters', async () => {
    expect(await linesOf(Buffer.from('\n\na\r\n'))).toEqual(['', '', 'a\r'])
    expect(await linesOf(Buffer.from(''))).toEqual([])
  })

  test('arrive as soon as they are complete', async () => {
    let sent = 0
    async function* slowly(): AsyncGenerator<Uint8Array> {
      for (const chunk of ['a\nb', '\nc', 'd\n']) {
        sent++
        yield Buffer.from(chunk)
      }
    }
    const seen: unknown[] = []
    for await (const batch of splitLines(slowly(), {delimiter: '\n', longest})) seen.push([sent, ...batch])
    expect(seen).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'cd'],
    ])
  })

  test('of many chunks take time proportional to their length', async () => {
    const bytes = Buffer.alloc(64 * 1024 * 1024, 'x')
    const lines: TextLine[] = []
    const batches = splitLines(inChunks(bytes, [4096]), {delimiter: '\n', longest: bytes.length})
    for await (const batch of batches) lines.push(...batch)
    expect(lines.map((line) => line.length)).toEqual([bytes.length])
  })

  test('that are too long are refused with their number before they fill the memory', async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a\nb\n')
      for (;;) yield Buffer.alloc(1000)
    }
    const read = async () => {
      for await (const _ of splitLines(endless(), {delimiter: '\n', longest: 5000}));
    }
    await expect(read()).rejects.toMatchObject({
      kind: 'usage',
      message: 'line 3 has more than 5000 bytes, the limit of the bus',
      data: {line: 3},
    })
  })
})
