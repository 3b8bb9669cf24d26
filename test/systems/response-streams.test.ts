/** The ideas of the tests of bacalhau's response streams (pkg/nats/stream/*_test.go), and those that its tests leave out. */
import {expect, onTestFinished, test} from 'vitest'
import {StreamClient, type StreamOptions} from '../../src/lib/protocols/response-streams/client.ts'
import {CloseError} from '../../src/lib/protocols/response-streams/close-error.ts'
import {closeCodes, closeText} from '../../src/lib/protocols/response-streams/close-reasons.ts'
import {type ResponseStream, requestChanLen} from '../../src/lib/protocols/response-streams/response-stream.ts'
import {StreamWriter} from '../../src/lib/protocols/response-streams/writer.ts'
import {onEachBus, opened} from './buses.ts'

async function textsOf(stream: ResponseStream): Promise<string[]> {
  const texts: string[] = []
  for await (const message of stream) texts.push(message.text)
  return texts
}

onEachBus(({fresh}) => {
  /** A client, and for each response stream that it opens a writer on another connection. */
  async function scene() {
    const url = await fresh()
    const [near, far] = [await opened(url), await opened(url)]
    const client = new StreamClient(near)
    onTestFinished(() => client.close())
    const requests = await far.subscribe('stream')
    const open = async (options: StreamOptions = {}) => {
      const stream = await client.open('stream', 'hello', options)
      const [request] = await requests.take(1)
      return {stream, request, writer: new StreamWriter(far, request?.reply ?? '')}
    }
    return {client, far, open}
  }

  test('TwoStreams: they do not interfere, and nothing follows', async () => {
    const {client, open} = await scene()
    const [one, two] = [await open(), await open()]
    for (let n = 0; n < 5; n++) {
      one.writer.write(`one ${n}`)
      two.writer.write(`two ${n}`)
    }
    for (const {writer} of [one, two]) writer.close()
    const texts = (word: string) => Array.from({length: 5}, (_, n) => `${word} ${n}`)
    expect(await Promise.all([textsOf(one.stream), textsOf(two.stream)])).toEqual([texts('one'), texts('two')])
    expect(client.size).toBe(0)
  })

  test('ContextCancelled: an abort ends the stream at once, and opening with an aborted signal fails', async () => {
    const {client, open} = await scene()
    const stop = new AbortController()
    const {stream, writer} = await open({signal: stop.signal})
    writer.write('x')
    expect((await stream.take(1)).map(({text}) => text)).toEqual(['x'])
    stop.abort()
    await expect(stream.take(1)).rejects.toMatchObject({kind: 'interrupted'})
    await expect(client.open('stream', '', {signal: stop.signal})).rejects.toMatchObject({kind: 'interrupted'})
    expect(client.size).toBe(0)
  })

  test('many streams that are aborted before their first frame leave nothing behind', async () => {
    const {client, open} = await scene()
    const stop = new AbortController()
    const streams = []
    for (let n = 0; n < 50; n++) streams.push((await open({signal: stop.signal})).stream)
    stop.abort()
    for (const stream of streams) await expect(stream.take(1)).rejects.toMatchObject({kind: 'interrupted'})
    expect(client.size).toBe(0)
  })

  test('Write, WriteObject: nine bytes are a frame of 32, objects are JSON', async () => {
    const {open} = await scene()
    const {stream, writer} = await open()
    expect(writer.write('nine byte')).toBe(32)
    writer.writeObject({value: 'x'})
    writer.close()
    expect(await textsOf(stream)).toEqual(['nine byte', '{"value":"x"}'])
  })

  test('Close, CloseWithCode: 1000 only ends the stream, any other code is an error with code and text', async () => {
    const {open} = await scene()
    const normal = await open()
    normal.writer.close()
    expect(await textsOf(normal.stream)).toEqual([])
    for (const code of [...Object.values(closeCodes).filter((each) => each !== 1000), 4242, 0]) {
      const {stream, writer} = await open()
      writer.closeWithCode(code, 'first', 'second')
      const failure = await textsOf(stream).catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(CloseError)
      expect((failure as CloseError).close).toEqual({code, text: 'first: second'})
      expect((failure as CloseError).message).toContain(closeText({code, text: 'first: second'}))
    }
  })

  test('SlowReader: with the channel length of the original, one frame more is an overrun, which the others do not notice', async () => {
    const {open} = await scene()
    const slow = await open({buffer: requestChanLen, whenFull: 'overrun'})
    const other = await open()
    for (let n = 0; n <= requestChanLen; n++) slow.writer.write(String(n))
    for (const {writer} of [slow, other]) writer.close()
    expect(await textsOf(other.stream)).toEqual([])
    await expect(textsOf(slow.stream)).rejects.toMatchObject({
      kind: 'timeout',
      message: expect.stringMatching(/^overrun/),
    })
  })

  test('failures of opening have a code of their own', async () => {
    const {client} = await scene()
    await expect(client.open('a..b')).rejects.toMatchObject({code: 'subject'})
    await expect(client.open('stream', new Uint8Array(80 * 1024 * 1024))).rejects.toMatchObject({code: 'tooLarge'})
    await expect(textsOf(await client.open('nobody'))).rejects.toMatchObject({code: 'noResponders'})
    expect(client.size).toBe(0)
  })
})
