import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {createServer, type IncomingMessage, type RequestListener, type ServerResponse} from 'node:http'
import {createServer as createSecureServer} from 'node:https'
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server as NetServer,
  connect as tcpConnect,
} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {gzipSync} from 'node:zlib'
import {afterAll, describe, expect, onTestFinished, test} from 'vitest'
import {Message} from '../../../../src/lib/core/message.ts'
import {type WebhookSinkOptions, webhookSink} from '../../../../src/lib/messaging/sinks/webhook.ts'
import {parseWebhookOptions, shownWebhook} from '../../../../src/lib/messaging/sinks/webhook-options.ts'
import {makeAuthority} from '../../../certificates.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-webhook-'))
afterAll(() => rmSync(folder, {recursive: true}))

const payload = {
  id: 1,
  where: {path: 'a b/c'},
  auth: {'X-Key': 'k'},
  find: {q: '1&2'},
  part: {n: 12345678901234567890n},
}
const json = JSON.stringify(payload, (_, value) => (typeof value === 'bigint' ? 'N' : value)).replace(
  '"N"',
  '12345678901234567890',
)
const message = new Message('orders.created', json, [], undefined, 42, Date.UTC(2026, 10, 20))

interface Got {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingMessage['headers']
  /** Names and values as sent. */
  readonly raw: readonly string[]
  readonly body: string
  readonly socket: IncomingMessage['socket']
}

async function listening(server: NetServer, host = '127.0.0.1'): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

function recording(got: Got[], answer: (response: ServerResponse, count: number) => void): RequestListener {
  return async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const {method, url, headers, rawHeaders: raw, socket} = request
    got.push({method, url, headers, raw, body, socket})
    answer(response, got.length)
  }
}

/** A real HTTP server on loopback. */
async function receiver(
  answer: (response: ServerResponse, count: number) => void = (r) => void r.writeHead(204).end(),
) {
  const got: Got[] = []
  const server = createServer(recording(got, answer))
  onTestFinished(() => server.closeAllConnections())
  return {got, url: `http://127.0.0.1:${await listening(server)}/hook`}
}

function sinkOf(url: string, json: object = {}, more: Partial<WebhookSinkOptions> = {}) {
  const {options} = parseWebhookOptions(json as Record<string, unknown>)
  const sink = webhookSink({url, options, concurrency: 1, timeoutMs: 5000, ...more})
  onTestFinished(() => sink[Symbol.asyncDispose]())
  return sink
}

describe('the request of a webhook', () => {
  test('has only our headers, and those that HTTP requires', async () => {
    const {url, got} = await receiver()
    await sinkOf(url, {}, {userAgent: 'busline/1.2.3'}).take([message])
    const names = (got[0]?.raw ?? []).filter((_, at) => at % 2 === 0)
    expect(names.filter((name) => !name.startsWith('Bus-')).sort()).toEqual([
      'Accept-Encoding',
      'Connection',
      'Content-Length',
      'Content-Type',
      'Host',
      'User-Agent',
    ])
    expect(got[0]?.headers).toMatchObject({'user-agent': 'busline/1.2.3', 'accept-encoding': 'identity'})
  })

  test('declares JSON only for a payload that is JSON', async () => {
    const {url, got} = await receiver()
    const sink = sinkOf(url)
    for (const text of ['{"n":1}', '{"n":{{oops}}}', '[1,]', 'true', 'hello'])
      await sink.take([new Message('a', text, [], undefined, 1, 0)])
    const plain = 'text/plain; charset=utf-8'
    expect(got.map(({headers}) => headers['content-type'])).toEqual([
      'application/json',
      plain,
      plain,
      'application/json',
      plain,
    ])
  })

  test('has the method, headers and query of the options', async () => {
    const {url, got} = await receiver()
    const headers = {'x-key': 'abc', 'content-type': 'application/vnd.x', 'User-Agent': 'me'}
    await sinkOf(`${url}?a=1`, {method: 'put', headers, query: {b: '2 &3'}}).take([message])
    expect(got[0]).toMatchObject({method: 'PUT', url: '/hook?a=1&b=2+%263', body: json})
    expect(got[0]?.headers).toMatchObject({'x-key': 'abc', 'content-type': 'application/vnd.x', 'user-agent': 'me'})
  })

  test('without a body has none of the headers of a body', async () => {
    const {url, got} = await receiver()
    for (const method of ['GET', 'DELETE']) await sinkOf(url, {method}).take([message])
    expect(
      got.map(({method, body, headers}) => [method, body, headers['content-type'], headers['content-length']]),
    ).toEqual([
      ['GET', '', undefined, undefined],
      ['DELETE', '', undefined, undefined],
    ])
  })

  test('takes its parts from the payload, with exact numbers', async () => {
    const {url, got} = await receiver()
    const input = {body: 'part', headers: 'auth', query: 'find', path: 'id'}
    expect(await sinkOf(url, {input}).take([message])).toBeUndefined()
    expect(got[0]).toMatchObject({url: '/hook/1?q=1%262', body: '{"n":12345678901234567890}'})
    expect(got[0]?.headers).toMatchObject({'x-key': 'k', 'content-type': 'application/json'})
  })

  test.each([
    ['a path that leaves that of the URL', {path: 'p'}, {p: 'a/../../admin'}, 'which would change that of the URL'],
    ['a body that is missing', {body: 'b'}, {}, 'no member "b"'],
    ['a header that only the operator sets', {headers: 'h'}, {h: {authorization: 'x'}}, 'only the options'],
    ['a header of the connection', {headers: 'h'}, {h: {'Content-Length': '1'}}, 'set by the HTTP client'],
    ['a header with a line break', {headers: 'h'}, {h: {x: 'a\r\nb: c'}}, 'characters that a header cannot have'],
  ])('is not made from %s', async (_, input, fields, reason) => {
    const {url, got} = await receiver()
    const refusal = await sinkOf(url, {input}).take([new Message('a', JSON.stringify(fields), [], undefined, 1, 0)])
    expect(refusal).toEqual({reason: expect.stringContaining(reason), isFinal: true})
    expect(got).toEqual([])
  })

  test('logs in with a user name and password, or a bearer token, given directly or by reference', async () => {
    const {url, got} = await receiver()
    const file = join(folder, 'password')
    writeFileSync(file, 'p@ss:word\n')
    const env = {HOME: folder, HOOK_TOKEN: 't0ken', HOOK_URL: url.replace('//', '//ann:s3cret@')}
    const login = async (json: object, from = url) => {
      await sinkOf(from, json, {env}).take([message])
      return got.at(-1)?.headers
    }
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
    expect((await login({auth: {token: 'env://HOOK_TOKEN'}}))?.authorization).toBe('Bearer t0ken')
    expect((await login({auth: {username: 'bob', password: `file://${file}`}}))?.authorization).toBe(
      basic('bob:p@ss:word'),
    )
    expect((await login({headers: {Authorization: 'Bearer env://HOOK_TOKEN'}}))?.authorization).toBe('Bearer t0ken')
    expect((await login({auth: {token: 'file://~/password'}}))?.authorization).toBe('Bearer p@ss:word')
    expect((await login({}, 'env://HOOK_URL'))?.authorization).toBe(basic('ann:s3cret'))
    expect((await login({}, url.replace('//', '//us%20er:p%40ss@')))?.authorization).toBe(basic('us er:p@ss'))
  })

  test('is not sent if a reference has no value, and no error shows the secret', async () => {
    const env = {BAD: 's3cret\nx', NO_URL: 'u:S3CRET@host/x'}
    const make =
      (url: string, json = {}) =>
      () =>
        sinkOf(url, json, {env})
    expect(make('http://x', {auth: {token: 'env://NONE'}})).toThrow(
      '"auth.token" refers to env://NONE, which is not set',
    )
    expect(make('http://x', {headers: {'X-Key': 'env://BAD'}})).toThrow(/^the value of headers.X-Key has characters/)
    expect(make('http://x', {tls: {ca: '/none.pem'}})).toThrow(/cannot read \/none.pem .*: there is no such file/)
    expect(make('env://NO_URL')).toThrow(/^the URL of the webhook is not an HTTP URL$/)
    expect(make('u:S3CRET@host/x')).toThrow(/^the URL of the webhook is not an HTTP URL$/)
  })
})

describe('the response of a webhook', () => {
  /** Bytes without end, until the other side closes. */
  const flood = (chunk: Buffer, headers: Record<string, string>, status = 200) => {
    const closed = Promise.withResolvers<number>()
    return {
      closed: closed.promise,
      answer(response: ServerResponse) {
        response.writeHead(status, headers)
        let sent = 0
        const more = () => {
          while (!response.destroyed) {
            sent += chunk.length
            if (!response.write(chunk)) return void response.once('drain', more)
          }
        }
        response.once('close', () => closed.resolve(sent))
        more()
      },
    }
  }

  test.each([200, 500])('without end is closed after a bounded number of bytes: %i', async (status) => {
    const {answer, closed} = flood(Buffer.alloc(64 * 1024, 'x'), {}, status)
    const {url} = await receiver(answer)
    const refusal = await sinkOf(url).take([message])
    expect(refusal?.reason).toBe(status === 200 ? undefined : `${url} answered 500: ${'x'.repeat(200)}`)
    expect(await closed).toBeLessThan(32 * 1024 * 1024)
  })

  test('that is published is unpacked up to a limit, and never in part', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
    const answers = [bomb, gzipSync('fine'), Buffer.from('no gzip'), Buffer.alloc(1024 * 1024 + 1)]
    const {url} = await receiver((response, count) => {
      const headers = count === 4 ? {} : {'Content-Encoding': 'gzip', 'Content-Type': 'text/plain'}
      response.writeHead(200, headers).end(answers[count - 1])
    })
    const published: string[] = []
    const sink = sinkOf(url, {}, {onAnswer: (_, {data}) => published.push(Buffer.from(data).toString())})
    const reasons = []
    for (let n = 0; n < 4; n++) reasons.push((await sink.take([message]))?.reason)
    const tooLong = `${url}: its response has more than 1048576 bytes`
    expect(reasons).toEqual([tooLong, undefined, `${url}: its response is not valid gzip`, tooLong])
    expect(published).toEqual(['fine'])
  })

  test('that has to be JSON refuses the message if it is not', async () => {
    const {url} = await receiver((response, count) => void response.end(count === 1 ? '{oops' : '{"ok":1}'))
    const sink = sinkOf(url, {json: true})
    expect(await sink.take([message])).toEqual({reason: `${url} answered with something other than JSON`})
    expect(await sink.take([message])).toBeUndefined()
    expect(await sinkOf((await receiver()).url, {json: true}).take([message])).toBeUndefined()
  })

  test('counts once its status has arrived, even if its body does not end', async () => {
    const {url} = await receiver((response) => void response.writeHead(200).write('x'))
    expect(await sinkOf(url).take([message])).toBeUndefined()
  })

  test('sets the next attempt, in an hour at most', async () => {
    const {url} = await receiver((response) => void response.writeHead(429, {'Retry-After': '99999999999'}).end())
    expect(await sinkOf(url, {retry: {enabled: true}}).take([message])).toMatchObject({retryAfterMs: 3_600_000})
  })
})

describe('a webhook', () => {
  test('is retried as often as its options say', async () => {
    const {url, got} = await receiver((response, count) => void response.writeHead(count === 3 ? 200 : 500).end())
    const retry = {enabled: true, count: 2, initialDelay: '1ms', maxDelay: '2ms'}
    expect(await sinkOf(url, {retry}).take([message])).toBeUndefined()
    expect(got).toHaveLength(3)
    expect(await sinkOf(url, {retry: {...retry, enabled: false}}).take([message])).toMatchObject({
      reason: `${url} answered 500`,
    })
    expect(got).toHaveLength(4)
  })

  test('keeps its connection, and opens another if the idle one was closed', async () => {
    const {url, got} = await receiver()
    const sink = sinkOf(url)
    for (let n = 0; n < 3; n++) expect(await sink.take([message])).toBeUndefined()
    expect(new Set(got.map(({socket}) => socket)).size).toBe(1)
    got[0]?.socket.destroy()
    expect(await sink.take([message])).toBeUndefined()
  })

  test('that is stopped ends at once, in a request and between attempts', async () => {
    for (const answer of [() => undefined, (response: ServerResponse) => void response.writeHead(500).end()]) {
      const arrived = Promise.withResolvers<void>()
      const {url} = await receiver((response) => {
        answer(response)
        arrived.resolve()
      })
      const stop = new AbortController()
      const retry = {enabled: true, initialDelay: '1h', maxDelay: '1h'}
      const taking = sinkOf(url, {retry, httpOptions: {requestTimeout: '1h'}}, {signal: stop.signal}).take([message])
      await arrived.promise
      stop.abort()
      await expect(taking).rejects.toMatchObject({kind: 'interrupted'})
    }
  })

  test('has limits for a request and for a connection', async () => {
    const {url} = await receiver(() => undefined)
    const reason = `${url} did not answer within 50 ms`
    expect(await sinkOf(url, {httpOptions: {requestTimeout: '50ms'}}).take([message])).toEqual({reason})
    // Its handshake does not end.
    const silent = createTcpServer()
    const port = await listening(silent)
    const secure = sinkOf(`https://127.0.0.1:${port}/`, {httpOptions: {connectionTimeout: '50ms'}})
    expect((await secure.take([message]))?.reason).toContain('no connection within 50 ms')
  })

  test('is reached with its own CA and a client certificate, by path and by reference', async () => {
    const authority = makeAuthority(folder)
    const server = authority.issue('server', {hosts: ['127.0.0.1']})
    const client = authority.issue('client')
    const got: Got[] = []
    const tls = {...contents(server), ca: contents(authority).cert, requestCert: true}
    const port = await listening(
      createSecureServer(
        tls,
        recording(got, (response) => void response.end()),
      ),
    )
    const url = `https://127.0.0.1:${port}/hook`
    expect(await sinkOf(url).take([message])).toEqual({
      reason: `cannot reach ${url}: its certificate is signed by an unknown CA; the option "tls.ca" names another`,
    })
    const env = {CA: contents(authority).cert}
    expect(
      await sinkOf(url, {tls: {ca: 'env://CA', cert: client.cert, key: client.key}}, {env}).take([message]),
    ).toBeUndefined()
    const peer = got[0]?.socket as unknown as {authorized: boolean}
    expect(peer.authorized).toBe(true)
  })

  test.each(['http', 'https'])('is reached through a proxy: %s', async (scheme) => {
    const authority = makeAuthority(folder)
    const got: Got[] = []
    const listener = recording(got, (response) => void response.end())
    const isSecure = scheme === 'https'
    const target = isSecure
      ? createSecureServer(contents(authority.issue('server', {hosts: ['127.0.0.1']})), listener)
      : createServer(listener)
    onTestFinished(() => target.closeAllConnections())
    const url = `${scheme}://127.0.0.1:${await listening(target)}/hook`
    const asked: (string | undefined)[] = []
    const proxy = createServer((request, response) => {
      asked.push(request.url, request.headers['proxy-authorization'])
      response.writeHead(201).end()
    })
    proxy.on('connect', (request, socket) => {
      asked.push(`CONNECT ${request.url}`, request.headers['proxy-authorization'])
      const [host, port] = (request.url ?? '').split(':')
      const onward = tcpConnect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        onward.pipe(socket).pipe(onward)
      })
      socket.on('error', () => onward.destroy())
      onward.on('error', () => socket.destroy())
    })
    onTestFinished(() => proxy.closeAllConnections())
    const proxyURL = `http://me:secret@127.0.0.1:${await listening(proxy)}`
    const options = {httpOptions: {proxyURL}, ...(isSecure && {tls: {ca: authority.cert}})}
    expect(await sinkOf(url, options).take([message])).toBeUndefined()
    const login = `Basic ${Buffer.from('me:secret').toString('base64')}`
    expect(asked).toEqual([isSecure ? `CONNECT ${new URL(url).host}` : url, login])
    expect(got.map(({body}) => body)).toEqual(isSecure ? [json] : [])
  })

  test('with an IPv6 address is named in brackets to the proxy', async () => {
    const asked: (string | undefined)[] = []
    const proxy = createServer().on('connect', ({url, headers}, socket) => {
      asked.push(url, headers.host)
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
    })
    onTestFinished(() => proxy.closeAllConnections())
    const proxyURL = `http://[::1]:${await listening(proxy, '::1')}`
    const refusal = await sinkOf('https://[::2]:444/x', {httpOptions: {proxyURL}}).take([message])
    expect(asked).toEqual(['[::2]:444', '[::2]:444'])
    expect(refusal?.reason).toBe(
      `cannot reach https://[::2]:444/x through the proxy ${proxyURL}: the proxy answered 502`,
    )
  })

  test('names the proxy that cannot be reached', async () => {
    const gone = createTcpServer()
    const port = await listening(gone)
    await new Promise((resolve) => gone.close(resolve))
    for (const url of ['http://127.0.0.1:9/x', 'https://127.0.0.1:9/x'])
      expect(
        (await sinkOf(url, {httpOptions: {proxyURL: `http://a:secret@127.0.0.1:${port}`}}).take([message]))?.reason,
      ).toBe(`cannot reach ${url}: nothing listens at the proxy http://127.0.0.1:${port}`)
  })
})

/** The texts of a certificate and its key. */
function contents({cert, key}: {readonly cert: string; readonly key: string}) {
  const read = (path: string) => process.getBuiltinModule('node:fs').readFileSync(path, 'utf8')
  return {cert: read(cert), key: read(key)}
}

describe('the options of a webhook', () => {
  test.each([
    [{method: 'BREW'}, 'the option "method" must be one of GET, POST'],
    [{headers: {'Transfer-Encoding': 'x'}}, 'the header Transfer-Encoding is set by the HTTP client'],
    [{headers: {'a b': 'x'}}, '"a b" is not a header name'],
    [{headers: ['x']}, 'the option "headers" must be an object'],
    [{query: {a: 1}}, 'the option "query.a" must be a string'],
    [{input: {replytx: 'x'}}, 'webhooks have no option "input.replytx"'],
    [{httpOptions: {expectContinueTimeout: '1s'}}, 'webhooks have no option "httpOptions.expectContinueTimeout"'],
    [{httpOptions: {requestTimeout: 'soon'}}, '"httpOptions.requestTimeout" must be a duration'],
    [{httpOptions: {proxyURL: 'socks5://x'}}, '"httpOptions.proxyURL" must be an HTTP URL'],
    [{retry: {count: -1}}, '"retry.count" must be a whole number'],
    [{tls: {ca: 'ca.pem'}}, '"tls.ca" must be an absolute path or env://NAME'],
    [{tls: {cert: '/a.pem'}}, 'both "cert" and "key"'],
    [{auth: {token: 'x', username: 'y'}}, 'either a token or'],
    [{json: 'yes'}, '"json" must be true or false'],
  ])('%j are refused by name', (options, reason) => {
    expect(() => parseWebhookOptions(options)).toThrow(reason)
  })

  test('are shown without secrets, and with references', () => {
    const shown = shownWebhook({
      url: 'https://ann:p3secret@host/hook?token=TOP&x=SIG#frag',
      headers: {'X-Key': 'SECRET', Accept: 'text/plain', Authorization: 'Bearer env://TOKEN'},
      query: {code: 'SECRET'},
      auth: {username: 'ann', password: 'SECRET', token: 'file:///run/token'},
      httpOptions: {proxyURL: 'http://me:SECRET@proxy:8080', requestTimeout: '1s'},
      readAhead: 3,
    })
    expect(shown).toEqual({
      url: 'https://ann:***@host/hook?token=***&x=***#***',
      headers: {'X-Key': '***', Accept: 'text/plain', Authorization: 'Bearer env://TOKEN'},
      query: {code: '***'},
      auth: {username: 'ann', password: '***', token: 'file:///run/token'},
      httpOptions: {proxyURL: 'http://me:***@proxy:8080', requestTimeout: '1s'},
      readAhead: 3,
    })
    expect(shownWebhook({url: 'u:S3CRET@host/x'})).toEqual({url: 'u:***@host/x'})
    expect(shownWebhook({url: 'https://tok3n@host/'})).toEqual({url: 'https://***@host/'})
  })
})
