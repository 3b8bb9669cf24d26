/** The commands on a database that other processes use through libbus. */
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {bus, start} from '../bus.ts'
import {hex, livePeer, lookInto, peersDatabase, startPeer} from '../lib/transport/libbus/peers.ts'
import {temporaryFolder} from '../lib/transport/sqlite/processes.ts'

test('bus who cannot tell who subscribes', async () => {
  const url = `libbus:${await peersDatabase()}`
  const {code, stderr} = await bus(['who', 'x', '-b', url])
  expect([code, stderr]).toEqual([5, `bus: cannot tell who receives "x": ${url} does not know its subscribers\n`])
})

describe('bus pub', () => {
  test('reaches a process that listens to the subject', async () => {
    const path = await peersDatabase()
    const peer = await livePeer('stream', path, 'trigger_cycle')
    expect(await bus(['pub', 'trigger_cycle', 'now', '-b', `libbus:${path}`])).toMatchObject({code: 0})
    expect((await bus(['pub', 'trigger_cycle', '', '-b', `libbus:${path}`])).code).toBe(0)
    await peer.atLeast(3)
    expect(peer.lines.slice(1)).toEqual([hex('now'), ''])
  })

  test('refuses headers and reply subjects with exit code 2', async () => {
    const path = await peersDatabase()
    for (const flags of [
      ['-H', 'A: b'],
      ['--reply', 'b'],
    ]) {
      const {code, stderr} = await bus(['pub', 'a', 'x', ...flags, '-b', `libbus:${path}`])
      expect([code, stderr]).toEqual([2, expect.stringContaining(`on libbus:${path} a message has no`)])
    }
    expect(lookInto(path).prepare('SELECT count(*) FROM bus_events').pluck().get()).toBe(0)
  })

  test('reports missing libbus tables with exit code 5; --bus libbus:PATH?create creates them', async () => {
    const path = join(temporaryFolder(), 'local.db')
    expect(await bus(['pub', 'a', 'x', '-b', `libbus:${path}`])).toMatchObject({
      code: 5,
      stderr: expect.stringContaining(`try: libbus:${path}?create`),
    })
    lookInto(path).exec('CREATE TABLE kv (key TEXT)')
    const {code, stderr} = await bus(['pub', 'a', 'x', '-b', `libbus:${path}`])
    expect([code, stderr]).toEqual([
      5,
      expect.stringContaining('bus_events, the table bus_requests, the table bus_replies'),
    ])
    expect((await bus(['pub', 'a', 'x', '-b', `libbus:${path}?create`])).code).toBe(0)
    expect(lookInto(path).prepare('SELECT subject, data FROM bus_events').all()).toEqual([
      {subject: 'a', data: Uint8Array.of(0x78)},
    ])
  })
})

describe('bus sub', () => {
  test('shows the events of one subject, and with ">" all events', async () => {
    const path = await peersDatabase()
    await using one = start(['sub', 'mcp.servers.created', '-n', '1', '--json', '-b', `libbus:${path}`])
    await using all = start(['sub', '>', '-n', '2', '-f', '{subject} {text}\\n', '-b', `libbus:${path}?poll=5ms`])
    for (const each of [one, all]) await each.stderrLine('listening on ')
    await startPeer('publish', path, 'mcp.servers.deleted', hex('{"name":"x"}')).ended
    await startPeer('publish', path, 'mcp.servers.created', hex('{"name":"y"}')).ended
    const {stdout, code} = await one.ended
    expect(JSON.parse(stdout)).toMatchObject({subject: 'mcp.servers.created', seq: 2, json: {name: 'y'}})
    expect(code).toBe(0)
    expect((await all.ended).stdout).toBe('mcp.servers.deleted {"name":"x"}\nmcp.servers.created {"name":"y"}\n')
  })

  test('refuses other patterns, and --pair, with exit code 2', async () => {
    const path = await peersDatabase()
    expect((await bus(['sub', 'mcp.*', '-b', `libbus:${path}`])).code).toBe(2)
    expect((await bus(['sub', 'mcp.x', '--pair', '-b', `libbus:${path}`])).code).toBe(2)
  })
})

describe('bus req', () => {
  test('shows the reply of a serving process', async () => {
    const path = await peersDatabase()
    await livePeer('serve', path, 'mcp.x.execute')
    const {stdout, code} = await bus(['req', 'mcp.x.execute', 'hello', '-b', `libbus:${path}`])
    expect([stdout, code]).toEqual(['hello\n', 0])
  })

  test.each(['error: no such tool', '{"error":"no such tool"}'])(
    'reports %j as an error with exit code 8',
    async (answer) => {
      const path = await peersDatabase()
      await livePeer('serve', path, 'mcp.x.execute', answer)
      const {code, stderr} = await bus(['req', 'mcp.x.execute', 'x', '-b', `libbus:${path}`])
      expect([code, stderr]).toEqual([8, expect.stringContaining('"mcp.x.execute" answered with error: no such tool')])
      const asked = await bus([
        'req',
        'mcp.x.execute',
        'x',
        '--expect',
        'error.text = "no such tool"',
        '-b',
        `libbus:${path}`,
      ])
      expect(asked.code).toBe(0)
    },
  )

  test('waits until its timeout if nobody serves, withdraws the request, and exits with 6', async () => {
    const path = await peersDatabase()
    expect((await bus(['req', 'nobody', 'x', '-t', '200ms', '-b', `libbus:${path}`])).code).toBe(6)
    const interrupted = start(['req', 'nobody', 'x', '-t', '1m', '-b', `libbus:${path}`])
    const pending = () => lookInto(path).prepare('SELECT count(*) FROM bus_requests').pluck().get()
    await expect.poll(pending, {timeout: 10_000}).toBe(1)
    interrupted.interrupt()
    expect((await interrupted.ended).code).toBe(130)
    expect(pending()).toBe(0)
  })

  test('accepts one reply only: two are exit code 6', async () => {
    const path = await peersDatabase()
    await livePeer('serve', path, 'a', 'one')
    const {code, stdout} = await bus(['req', 'a', '', '--replies', '2', '-b', `libbus:${path}`])
    expect([code, stdout]).toEqual([6, 'one\n'])
  })
})

describe('bus serve', () => {
  test('answers requests of other processes, and reports failures in libbus format', async () => {
    const path = await peersDatabase()
    const script = 'read x; case $x in fail) echo "no such \\"thing\\"" >&2; exit 4;; esac; printf "did %s" "$x"'
    const program = ['--exec', '--', 'sh', '-c', script]
    await using server = start(['serve', 'mcp.y.execute', '-n', '2', '-b', `libbus:${path}`, ...program])
    await server.stderrLine('listening on ')
    const replies = []
    for (const payload of ['this', 'fail']) {
      const peer = startPeer('request', path, 'mcp.y.execute', hex(payload))
      await peer.atLeast(2)
      replies.push(Buffer.from(peer.lines[1] ?? '', 'hex').toString())
    }
    expect(replies).toEqual(['did this', JSON.stringify({error: 'no such "thing"'})])
    expect((await server.ended).code).toBe(0)
  })

  test('shares requests with another server, and Ctrl-C leaves the rest to that one', async () => {
    const path = await peersDatabase()
    const args = ['serve', 'who', '--echo', '-b', `libbus:${path}?poll=5ms`]
    await using one = start(args)
    await using two = start(args)
    for (const each of [one, two]) await each.stderrLine('listening on ')
    const {stdout, code} = await bus([
      'req',
      'who',
      'x',
      '-n',
      '100',
      '-c',
      '8',
      '--json',
      '-b',
      `libbus:${path}?poll=5ms`,
    ])
    expect(JSON.parse(stdout)).toMatchObject({requests: 100, ok: 100, errors: {}})
    expect(code).toBe(0)
    one.interrupt()
    const ended = await one.ended
    expect((await bus(['req', 'who', 'still', '-b', `libbus:${path}`])).stdout).toBe('still\n')
    two.interrupt()
    const all = [ended, await two.ended].map(({stderr}) => Number(/(\d+) served/.exec(stderr)?.[1]))
    expect((all[0] ?? 0) + (all[1] ?? 0)).toBe(101)
  })

  test('cannot be discovered on libbus, and refuses patterns with exit code 2', async () => {
    const path = await peersDatabase()
    const named = await bus(['serve', 'a', 'x', '--service', 'greeter', '-b', `libbus:${path}`])
    expect([named.code, named.stderr]).toEqual([2, expect.stringContaining('services cannot be discovered on ')])
    expect((await bus(['serve', 'a.*', 'x', '-b', `libbus:${path}`])).code).toBe(2)
  })
})

test('a context may contain a libbus URL', async () => {
  const path = await peersDatabase()
  const env = {XDG_CONFIG_HOME: temporaryFolder()}
  expect((await bus(['context', 'add', 'agents', '-b', `libbus:${path}`], {env})).code).toBe(0)
  expect((await bus(['pub', 'a', 'x', '--context', 'agents'], {env})).code).toBe(0)
  expect(lookInto(path).prepare('SELECT count(*) FROM bus_events').pluck().get()).toBe(1)
})

test('response streams are refused in one sentence', async () => {
  const path = await peersDatabase()
  for (const args of [
    ['serve', 'x', 'tick', '--stream'],
    ['stream', 'open', 'x'],
  ]) {
    const {code, stderr, stdout} = await bus([...args, '-b', `libbus:${path}`])
    expect([code, stdout, stderr]).toEqual([
      2,
      '',
      expect.stringMatching(/^bus: libbus:\S+ has no response streams: /m),
    ])
    expect(stderr).not.toContain('listening')
  }
})
