import {describe, expect, test} from 'vitest'
import type {ViewFlags} from '../../../../src/lib/cli/flags/view.ts'
import {chooseView} from '../../../../src/lib/cli/render/view.ts'
import {BusError} from '../../../../src/lib/core/errors.ts'
import {Message} from '../../../../src/lib/core/message.ts'
import {recordWriter} from '../../../../src/lib/core/record.ts'
import type {Exchange} from '../../../../src/lib/messaging/pubsub/pairs.ts'

const noon = Date.UTC(2026, 10, 20, 12)
const text = new Message('a.b', '{"n":1}', [['T', '1']], undefined, 1, noon)
const bytes = new Message('a.c', Uint8Array.of(0xff, 0x0a, 0), [], undefined, 2, noon)
const empty = new Message('a.d', '', [], undefined, 3, noon)

function sink(): {write(data: string | Uint8Array): void; readonly written: Buffer} {
  const chunks: Buffer[] = []
  return {
    write: (data) => void chunks.push(Buffer.from(data)),
    get written() {
      return Buffer.concat(chunks)
    },
  }
}

async function shown(flags: ViewFlags, messages = [text, bytes, empty], terminal = false): Promise<string> {
  const out = sink()
  await (await chooseView(flags, {terminal})).show(messages, out)
  return out.written.toString('latin1')
}

describe('a view', () => {
  test('of raw payloads has them byte for byte, each with a newline', async () => {
    expect(await shown({raw: true})).toBe('{"n":1}\n\xff\n\0\n\n')
  })

  test('of raw payloads has the given delimiter, or none', async () => {
    expect(await shown({raw: true, delimiter: '\\0'})).toBe('{"n":1}\0\xff\n\0\0\0')
    expect(await shown({raw: true, delimiter: ''})).toBe('{"n":1}\xff\n\0')
  })

  test('of raw payloads is exact on a terminal too', async () => {
    expect(await shown({raw: true}, [new Message('a', '\x1b[1m')], true)).toBe('\x1b[1m\n')
  })

  test('of a single raw payload has no newline in a pipe, unless a delimiter is given', async () => {
    const single = async (flags: ViewFlags, terminal = false) => {
      const out = sink()
      await (await chooseView(flags, {terminal, single: true})).show([bytes], out)
      return out.written.toString('latin1')
    }
    expect(await single({raw: true})).toBe('\xff\n\0')
    expect(await single({raw: true}, true)).toBe('\xff\n\0\n')
    expect(await single({raw: true, delimiter: '\\n'})).toBe('\xff\n\0\n')
    expect(await single({'subjects-only': true})).toBe('a.c\n')
  })

  test('in JSON has one record per line', async () => {
    const write = recordWriter()
    expect(await shown({json: true})).toBe([text, bytes, empty].map((message) => `${write(message)}\n`).join(''))
  })

  test('in JSON is equivalent JSON on a terminal, without control characters', async () => {
    const hostile = new Message('a.\x9bb', '"\x7f\x9b\u202e"', [], undefined, 1, noon)
    const line = await shown({json: true}, [hostile], true)
    expect(line).not.toMatch(/[\x7f-\x9f]/)
    expect(JSON.parse(line)).toEqual(JSON.parse(recordWriter()(hostile)))
  })

  test('of headers only has no payload', async () => {
    expect(await shown({'headers-only': true, json: true}, [text])).toBe(
      '{"subject":"a.b","seq":1,"time":"2026-11-20T12:00:00.000000Z","headers":{"T":"1"},"bytes":7}\n',
    )
    expect(await shown({'headers-only': true}, [text])).toMatch(/^\[1] \S+ a\.b \xc2\xb7 7 B\n {4}T: 1\n$/)
  })

  test('of subjects only has one per line', async () => {
    expect(await shown({'subjects-only': true})).toBe('a.b\na.c\na.d\n')
    expect(await shown({'subjects-only': true, json: true}, [text])).toBe('{"subject":"a.b"}\n')
    expect(await shown({'subjects-only': true, delimiter: ','})).toBe('a.b,a.c,a.d,')
  })

  test('with a format is rendered by the template', async () => {
    expect(await shown({format: '{n}:{subject};'})).toBe('1:a.b;\n2:a.c;\n3:a.d;\n')
  })

  test('with a format that ends with an escape, or with a delimiter, adds no newline', async () => {
    expect(await shown({format: '{subject}\\0'})).toBe('a.b\0a.c\0a.d\0')
    expect(await shown({format: '{subject}\\n'})).toBe('a.b\na.c\na.d\n')
    expect(await shown({format: '{n}', delimiter: ''})).toBe('123')
    expect(await shown({format: '{n}', delimiter: ', '})).toBe('1, 2, 3, ')
  })

  test('numbers messages across batches', async () => {
    const out = sink()
    const view = await chooseView({format: '{n}', delimiter: ' '}, {terminal: false})
    await view.show([text, bytes], out)
    await view.show([empty], out)
    expect(out.written.toString()).toBe('1 2 3 ')
  })

  test('of a selection has the result of the expression, and nothing if there is none', async () => {
    const out = sink()
    const view = await chooseView({select: 'json.n'}, {terminal: false})
    expect(await view.show([text, bytes, empty], out)).toBe(1)
    expect(out.written.toString()).toBe('1\n')
    expect(await shown({select: 'subject'})).toBe('a.b\na.c\na.d\n')
    expect(await shown({select: 'subject', json: true}, [text])).toBe('"a.b"\n')
    expect(await shown({select: 'subject', raw: true, delimiter: ' '}, [text, bytes])).toBe('a.b a.c ')
    expect(await shown({select: '{"s":subject}'}, [text])).toBe('{"s":"a.b"}\n')
    expect(await shown({select: 'text'}, [new Message('a', '\x1b[1m')], true)).toBe('\\x1b[1m\n')
    expect(await shown({select: 'text', raw: true}, [new Message('a', '\x1b[1m')], true)).toBe('\x1b[1m\n')
  })

  test('of a selection skips messages on which the expression fails, and reports that once', async () => {
    const said: string[] = []
    const onFailure = (sentence: string) => said.push(sentence)
    const view = await chooseView({select: '$uppercase(json.n)'}, {terminal: false, onFailure})
    expect(await view.show([text, text, empty], sink())).toBe(0)
    expect(said).toEqual([
      expect.stringMatching(/^--select .* fails on a message: .* \(on a.b; such messages are not shown\)$/),
    ])
    await expect(shown({select: '$uppercase(json.n)'}, [text])).rejects.toThrow('fails on a message')
  })

  test('of an exchange is one line of JSON', async () => {
    const view = await chooseView({json: true}, {terminal: false})
    const lineOf = (exchange: Exchange) => {
      const out = sink()
      view.showExchange?.(exchange, out)
      return JSON.parse(out.written.toString())
    }
    expect(lineOf({request: text, reply: empty, ms: 1.23456, again: false})).toMatchObject({
      request: {subject: 'a.b', json: {n: 1}},
      reply: {subject: 'a.d', text: ''},
      ms: 1.235,
    })
    expect(lineOf({request: text, reply: undefined, ms: undefined, again: false})).toMatchObject({
      request: {subject: 'a.b'},
      reply: null,
    })
  })

  test.each<[ViewFlags, string]>([
    [{format: '{x}'}, '--format has the unknown "{x}", at position 1'],
    [{select: 'a..b'}, '--select "a..b" is not JSONata'],
  ])('for %j is refused: %s', async (flags, sentence) => {
    await expect(shown(flags)).rejects.toThrow(BusError)
    await expect(shown(flags)).rejects.toThrow(sentence)
  })
})
