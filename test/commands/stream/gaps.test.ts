import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {open} from '../../../src/lib/transport/open.ts'
import {Database} from '../../../src/lib/transport/sqlite/database.ts'
import {type Ended, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

/** The records of frames, and the last line. */
function parsed({stdout}: Ended) {
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  return {frames: lines.slice(0, -1), end: lines.at(-1)}
}

describe('stream open with missing frames', () => {
  test('exits with 6 after a restart of the server', {timeout: 60_000}, async () => {
    await using server = await NatsServer.start()
    const env = {BUS_URL: server.url()}
    await using service = start(
      ['serve', '--stream', 'tick', 'tick {n}', '--template', '--every', '50ms', '-n', '80'],
      {env},
    )
    await service.stderrLine('listening on ')
    await using opened = start(['stream', 'open', 'tick', '--json', '--quiet', '--idle', '20s'], {env})
    await opened.stdoutLine('{"subject":')
    await server.stop('SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 1000))
    await server.run()
    const ended = await opened.ended
    const {frames, end} = parsed(ended)
    const texts = frames.map(({text}) => text)
    expect(texts).toEqual(texts.map((_, i) => `tick ${i + 1}`))
    if (texts.length === 80) expect([ended.code, end.close.code]).toEqual([0, 1000])
    else {
      expect([ended.code, end.close, end.complete]).toEqual([6, null, false])
      expect(ended.stderr).toMatch(/is incomplete: \d+ of the first \d+ frames did not arrive/)
    }
  })

  test('exits with 6 after a restart of the server if the producer does not number its frames', {
    timeout: 60_000,
  }, async () => {
    await using server = await NatsServer.start()
    const env = {BUS_URL: server.url()}
    await using bus = await open(server.url())
    const requests = await bus.subscribe('logs')
    await using opened = start(['stream', 'open', 'logs', '--json', '--quiet', '--idle', '30s'], {env})
    const [request] = await requests.take(1)
    const send = async (data: string) => {
      bus.publish({subject: request?.reply ?? '', data})
      await bus.flush()
    }
    await send('{"type":1,"data":"aGk="}')
    await opened.stdoutLine('{"subject":')
    await server.stop('SIGKILL')
    await server.run()
    await opened.stderrLine('messages published during')
    await send('{"type":1,"data":"aGk="}')
    await send('{"type":2,"closeError":{"Code":1000,"Text":""}}')
    const ended = await opened.ended
    expect(ended.code).toBe(6)
    expect(ended.stderr).toContain('may be incomplete')
    expect(parsed(ended)).toMatchObject({frames: [{}, {}], end: {frames: 2, close: {code: 1000}, complete: false}})
  })

  test('exits with 6 after it was stopped for longer than a bus file keeps frames', {timeout: 60_000}, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stream-gaps-'))
    const path = join(folder, 'bus.db')
    const env = {BUS_URL: `sqlite:${path}`}
    try {
      await using service = start(
        ['serve', '--stream', 'tick', 'tick {n}', '--template', '--every', '20ms', '-n', '200'],
        {env},
      )
      await service.stderrLine('listening on ')
      await using opened = start(['stream', 'open', 'tick', '--json', '--quiet', '--idle', '20s'], {env})
      await opened.stdoutLine('{"subject":')
      opened.kill('SIGSTOP')
      await new Promise((resolve) => setTimeout(resolve, 500))
      const db = new Database(path)
      db.exec('UPDATE eph SET ts = ts - 120000000')
      db.close()
      {
        await using bus = await open(path)
        bus.publish({subject: 'a', data: 'x'})
        await bus.flush()
      }
      opened.kill('SIGCONT')
      const ended = await opened.ended
      expect([ended.code, parsed(ended).end]).toEqual([6, expect.objectContaining({close: null, complete: false})])
      expect(ended.stderr).toContain('did not arrive')
    } finally {
      rmSync(folder, {recursive: true})
    }
  })
})
