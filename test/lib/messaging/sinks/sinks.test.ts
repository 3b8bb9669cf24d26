import {createServer, type IncomingHttpHeaders, type Server, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {describe, expect, onTestFinished, test} from 'vitest'
import {Message} from '../../../../src/lib/core/message.ts'
import {linesSink, programSink} from '../../../../src/lib/messaging/sinks/programs.ts'
import {webhookSink} from '../../../../src/lib/messaging/sinks/webhook.ts'

const message = new Message('orders.created', '{"id":1}', [['Trace', 'é1']], undefined, 42, Date.UTC(2026, 10, 20))

interface Got {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A real HTTP server on loopback. */
async function webhook(
  answer: (response: ServerResponse, got: Got) => void,
): Promise<{url: string; got: Got[]; server: Server}> {
  const got: Got[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const one = {headers: request.headers, body}
    got.push(one)
    answer(response, one)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, got, server}
}

describe('a webhook', () => {
  test('gets payload and headers, and 2xx means handled', async () => {
    const {url, got} = await webhook((response) => response.writeHead(204).end())
    const sink = webhookSink({url, concurrency: 1, timeoutMs: 1000})
    expect(await sink.take([message])).toBeUndefined()
    expect(got[0]?.body).toBe('{"id":1}')
    expect(got[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'bus-subject': 'orders.created',
      'bus-sequence': '42',
      'bus-time': '2026-11-20T00:00:00.000Z',
      'bus-headers': '{"Trace":"\\u00e91"}',
    })
  })

  test('that answers with another status refuses, with its text and the time of the next attempt', async () => {
    const {url} = await webhook((response) => response.writeHead(503, {'Retry-After': '2'}).end('down\nfor now'))
    const sink = webhookSink({url, concurrency: 1, timeoutMs: 1000})
    expect(await sink.take([message])).toEqual({reason: `${url} answered 503: down`, retryAfterMs: 2000})
  })

  test('that does not answer or does not exist refuses', async () => {
    const {url, server} = await webhook(() => undefined)
    const sink = webhookSink({url, concurrency: 1, timeoutMs: 100})
    expect(await sink.take([message])).toEqual({reason: `${url} did not answer within 100 ms`})
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    expect(await sink.take([message])).toEqual({reason: `nothing listens at ${url}`})
  })

  test('keeps the password of its URL out of errors', async () => {
    const {url, got} = await webhook((response) => response.writeHead(500).end())
    const sink = webhookSink({url: url.replace('//', '//ann:s3cret@'), concurrency: 1, timeoutMs: 1000})
    expect(await sink.take([message])).toEqual({reason: `${url} answered 500`, retryAfterMs: undefined})
    expect(got[0]?.headers.authorization).toBe(`Basic ${btoa('ann:s3cret')}`)
  })

  test.each(['', 'ftp://x', 'localhost:80', '/hook'])('cannot have the URL %j', (url) => {
    expect(() => webhookSink({url, concurrency: 1, timeoutMs: 1})).toThrow(expect.objectContaining({kind: 'usage'}))
  })
})

describe('a program for each message', () => {
  const base = {concurrency: 2, timeoutMs: 5000}

  test('gets the payload on stdin and the rest in its environment', async () => {
    const written: string[] = []
    const sink = programSink({
      ...base,
      argv: ['sh', '-c', 'cat; echo " $BUS_SUBJECT $BUS_SEQ $BUS_TIME $BUS_HEADER_TRACE"'],
      onStdout: (data) => void written.push(Buffer.from(data).toString()),
    })
    expect(await sink.take([message])).toBeUndefined()
    expect(written).toEqual(['{"id":1} orders.created 42 2026-11-20T00:00:00.000Z é1\n'])
  })

  test('refuses with its exit code and the last line of stderr', async () => {
    const sink = programSink({
      ...base,
      argv: ['sh', '-c', 'echo "no such order" >&2; exit 3'],
      onStdout: () => undefined,
    })
    expect(await sink.take([message])).toEqual({reason: 'sh exited with 3: no such order'})
  })
})

describe('a long-running program', () => {
  test('answers a line for each record, in order', async () => {
    const script =
      'while read -r line; do case "$line" in *nak*) echo nak not now;; *term*) echo term;; *) echo ack;; esac; done'
    await using sink = linesSink({argv: ['sh', '-c', script], window: 10, timeoutMs: 30_000})
    const outcomes = await Promise.all(['1', 'nak', 'term', '2'].map((text) => sink.take([new Message('a', text)])))
    expect(outcomes).toEqual([
      undefined,
      {reason: 'not now'},
      {reason: 'the program answered term', verdict: 'term'},
      undefined,
    ])
  })

  test('fails if it closes its stdin', async () => {
    const closed = Promise.withResolvers<void>()
    const argv = ['sh', '-c', 'exec 0<&-; echo closed >&2; sleep 3']
    await using sink = linesSink({argv, window: 10, timeoutMs: 30_000, onStderr: () => closed.resolve()})
    await closed.promise
    await expect(sink.take([message])).rejects.toMatchObject({kind: 'remote', message: 'sh closed its stdin'})
  })

  test.each([
    [['sh', '-c', 'read -r line; exit 4'], /^sh ended \(exit code 4\) before it had received all messages$/],
    [['sh', '-c', 'read -r line; echo hello; cat'], /^sh wrote "hello" instead of ack, nak or term$/],
    [['/no/such/program'], /^\/no\/such\/program did not start: no such program$/],
  ])('fails if it violates the protocol: %j', async (argv, sentence) => {
    await using sink = linesSink({argv, window: 10, timeoutMs: 30_000})
    await expect(sink.take([message])).rejects.toMatchObject({kind: 'remote', message: expect.stringMatching(sentence)})
  })
})
