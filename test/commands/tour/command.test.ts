import {mkdtempSync, readdirSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import {bus, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-test-'))
afterAll(() => rmSync(folder, {recursive: true}))

describe('bus tour', () => {
  it('shows each command line with its actual output, and removes its temporary bus file', async () => {
    const {code, stdout, stderr} = await bus(['tour'], {env: {TMPDIR: folder}})
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toContain("$ bus sub 'tour.orders.>' --count 2 --raw\n")
    expect(stdout).toContain('   {"id":1,"total":42}\n   {"id":1}\n')
    expect(stdout).toContain('   $ bus req tour.greet world\n   hello world\n')
    expect(stdout).toContain('   $ bus stream open tour.countdown --raw\n   3\n   2\n   1\n')
    expect(stdout).toContain('   exit code 9\n')
    expect(stdout).toContain('   exit code 7\n')
    expect(readdirSync(folder).filter((name) => name.startsWith('busline-tour'))).toEqual([])
  })

  it('runs on a server too, and leaves out the stream steps where there are no streams', async () => {
    for (const config of [(home: string) => `jetstream {store_dir: "${home}"}`, '']) {
      await using server = await NatsServer.start(config)
      const {code, stdout} = await bus(['tour', '--bus', server.url()])
      expect(stdout).toContain('hello world')
      if (config === '') expect(stdout).toContain('this bus has no streams')
      else expect(stdout).toMatch(/kill -9.*\{"n":20\}/s)
      expect(code).toBe(0)
    }
  })

  it('exits with 130 on Ctrl-C, and reports no failure', async () => {
    await using running = start(['tour'], {env: {TMPDIR: folder}})
    await running.stdoutLine('2. ')
    running.interrupt()
    const {code, stderr} = await running.ended
    expect([code, stderr]).toEqual([130, expect.not.stringContaining('exit code')])
    expect(readdirSync(folder).filter((name) => name.startsWith('busline-tour'))).toEqual([])
  })

  it('does not pause without a terminal', async () => {
    const {code} = await bus(['tour', '--pause', '--bus', join(mkdtempSync(join(folder, 'pause-')), 'bus.db')])
    expect(code).toBe(0)
  })

  it('ends at the first step that fails, with its output and exit code', async () => {
    const {code, stdout, stderr} = await bus(['tour', '--bus', 'nats://127.0.0.1:1'])
    expect(stdout).toContain('   bus: cannot connect to nats://127.0.0.1:1')
    expect(stderr).toMatch(/^bus: "bus sub 'tour\.orders\.>' --count 2 --raw" exited with code 3, not 0\n/)
    expect(code).toBe(3)
  })
})
