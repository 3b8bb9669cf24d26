import {chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeEach, describe, expect, it} from 'vitest'
import type {DoctorReport} from '../../../src/commands/doctor/examination.ts'
import {open} from '../../../src/lib/transport/open.ts'
import {bus, start} from '../../bus.ts'
import {daysFromNow, makeAuthority} from '../../certificates.ts'
import {NatsServer} from '../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-doctor-'))
afterAll(() => rmSync(folder, {recursive: true}))

let home = ''
let file = ''
let env: Record<string, string> = {}
beforeEach(() => {
  home = mkdtempSync(join(folder, 'home-'))
  file = join(home, 'a bus ü.db')
  env = {XDG_CONFIG_HOME: join(home, 'config'), XDG_STATE_HOME: join(home, 'state')}
})

async function doctor(...args: string[]) {
  const ended = await bus(['doctor', '--json', ...args], {env})
  const report = JSON.parse(ended.stdout) as DoctorReport
  const of = (about: string) => report.findings.filter((finding) => finding.about === about)
  const notWell = report.findings.filter(({verdict}) => verdict !== 'ok').map(({text}) => text)
  return {...ended, report, of, notWell}
}

describe('bus doctor on a bus file', () => {
  it('finds no problems in a healthy one, and lists streams, consumers and clients', async () => {
    await using transport = await open(`sqlite:${file}`)
    await transport.streams.add({name: 'ORDERS', subjects: ['orders.>']})
    await transport.streams.consumers.add('ORDERS', {name: 'mailer'})
    for (let i = 0; i < 3; i++) await transport.streams.publish({subject: 'orders.new', data: Buffer.from('x')})
    await using _ = await transport.subscribe('orders.*', {queue: 'q'})
    const {code, report, of, notWell} = await doctor('-b', file)
    expect(notWell).toEqual([])
    expect(code).toBe(0)
    expect(report.healthy).toBe(true)
    expect(of('stream')).toMatchObject([{text: expect.stringContaining('ORDERS: 3 messages')}])
    expect(of('consumer')).toMatchObject([{text: 'mailer of ORDERS: lag 3, 0 of it unacknowledged'}])
    expect(of('client')[0]?.text).toContain(`process ${process.pid}: subscribes to orders.* (q)`)
    expect(report.facts?.file?.holders.map(({pid}) => pid)).toContain(process.pid)
  })

  it('sums up many streams and consumers without a problem', async () => {
    await using transport = await open(`sqlite:${file}`)
    for (let n = 1; n <= 12; n++) {
      await transport.streams.add({name: `S${n}`, subjects: [`s${n}`]})
      await transport.streams.consumers.add(`S${n}`, {name: 'c', maxAckPending: 1})
      await transport.streams.publish({subject: `s${n}`, data: 'x'})
    }
    await transport.streams.publish({subject: 's7', data: 'x'})
    await using member = await transport.streams.consumers.consume('S3', 'c')
    await member.take(1)
    const {of} = await doctor('-b', file)
    expect(of('streams')).toMatchObject([{text: expect.stringMatching(/^12 without a problem; 13 messages, /)}])
    expect(of('consumers')).toMatchObject([
      {text: '11 without a problem; the largest lag: c of S7: lag 2, 0 of it unacknowledged'},
    ])
    expect(of('stream')).toEqual([])
    expect(of('consumer')).toMatchObject([
      {verdict: 'warning', try: [expect.any(String), `bus -b '${file}' consumer info S3 c`]},
    ])
  })

  it('finds the file of a URL with options', async () => {
    await using _ = await open(`sqlite:${file}`)
    const {of} = await doctor('-b', `sqlite:${file}?synchronous=full`)
    expect(of('connect')).toHaveLength(1)
  })

  it('creates no file, and reports that there is none', async () => {
    const {code, of} = await doctor('-b', file)
    expect(code).toBe(0)
    expect(of('bus')[0]?.text).toContain('does not exist yet')
    expect(statSync(file, {throwIfNoEntry: false})).toBeUndefined()
  })

  it('warns of dead clients and of files accessible to others, and repairs both with --fix', async () => {
    await using killed = start(['sub', 'a', '-b', file], {env})
    await using transport = await open(`sqlite:${file}`)
    const isSeen = async () => JSON.stringify(await transport.interests?.('a')).includes('"a"')
    while (!(await isSeen())) await transport.flush()
    killed.kill('SIGKILL')
    await killed.ended
    chmodSync(file, 0o644)
    const before = await doctor('-b', file)
    expect(before.code).toBe(0)
    expect(before.notWell).toEqual([expect.stringMatching(/^1 client ended/), `${file} is accessible to other users`])
    expect(statSync(file).mode & 0o777).toBe(0o644)
    const fixed = await doctor('-b', file, '--fix')
    expect(fixed.report.repaired.slice(0, 2)).toEqual(['removed 1 client that has gone', `chmod 600 ${file}`])
    expect(fixed.notWell).toEqual([])
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('fails with 9 for a wake file that is a symbolic link, and does not touch its target', async () => {
    await (await open(`sqlite:${file}`)).close()
    mkdirSync(`${file}.bells`, {mode: 0o700, recursive: true})
    const target = join(home, 'precious')
    writeFileSync(target, 'precious', {mode: 0o644})
    symlinkSync(target, join(`${file}.bells`, '99'))
    const {code, of, stderr} = await doctor('-b', file, '--fix')
    expect(code).toBe(9)
    expect(of('permissions')).toMatchObject([{verdict: 'failure', text: `${file}.bells/99 is a symbolic link`}])
    expect(stderr).toContain('1 failure: permissions')
    expect(statSync(target).mode & 0o777).toBe(0o644)
  })

  it('fails with 9 for a damaged file, and with 3 for a file that is not a bus file', async () => {
    {
      await using transport = await open(`sqlite:${file}`)
      for (let i = 0; i < 200; i++) transport.publish({subject: `a.${i}`, data: Buffer.alloc(4000, 1)})
    }
    truncateSync(file, Math.floor(statSync(file).size / 2 / 4096) * 4096)
    const damaged = await doctor('-b', file)
    expect([3, 9]).toContain(damaged.code)
    expect(damaged.report.healthy).toBe(false)
    writeFileSync(join(home, 'no.db'), 'this is no database at all, but it is long enough to look at')
    const other = await doctor('-b', join(home, 'no.db'))
    expect(other.code).toBe(3)
    expect(other.of('connect')[0]?.text).toContain('is not a bus file')
  })
})

describe('bus doctor on the installation', () => {
  it('warns of contexts that others can read, and fails for a selected context that does not exist', async () => {
    const contexts = join(home, 'config', 'busline', 'contexts')
    mkdirSync(contexts, {recursive: true, mode: 0o700})
    writeFileSync(join(contexts, 'prod.json'), '{"url":"nats://127.0.0.1:1","password":"hunter2","user":"a"}')
    chmodSync(join(contexts, 'prod.json'), 0o644)
    writeFileSync(join(home, 'config', 'busline', 'context.txt'), 'gone\n', {mode: 0o600})
    chmodSync(join(home, 'config', 'busline'), 0o700)
    const before = await doctor('-b', file)
    expect(before.code).toBe(9)
    expect(before.notWell).toEqual([
      'the selected context gone does not exist',
      `${join(contexts, 'prod.json')} is accessible to other users`,
    ])
    expect(before.stdout).not.toContain('hunter2')
    await doctor('-b', file, '--fix')
    expect(statSync(join(contexts, 'prod.json')).mode & 0o777).toBe(0o600)
  })
})

describe('bus doctor on a server', () => {
  it('reports login, clock, JetStream and how fast messages arrive', async () => {
    await using server = await NatsServer.start(
      (store) => `jetstream { store_dir: "${store}", max_file: 10MB }
        authorization { users: [{user: ann, password: "s3cret-pass"}] }`,
    )
    const {code, stdout, stderr, of, notWell} = await doctor('-b', server.url({login: 'ann:s3cret-pass'}))
    expect(code).toBe(0)
    expect(notWell.filter((text) => !text.includes('lacks'))).toEqual([])
    expect(of('TLS')[0]?.text).toContain('stays on this machine')
    expect(of('JetStream')[0]?.text).toContain('0 B storage')
    expect(of('slow consumer')[0]?.text).toContain('a burst of 2,000 arrived')
    expect(stdout + stderr).not.toContain('s3cret')
  })

  it('lists the servers of a list that accept no connection', async () => {
    await using server = await NatsServer.start()
    const {code, of} = await doctor('-b', `nats://ann:s3cret-pass@127.0.0.1:1,${server.url()}`)
    expect(code).toBe(0)
    expect(of('server')).toMatchObject([
      {
        verdict: 'warning',
        text: expect.stringMatching(/^cannot connect to nats:\/\/\S*127\.0\.0\.1:1: nothing listens there$/),
      },
    ])
    expect(JSON.stringify(of('server'))).not.toContain('s3cret')
  })

  it('warns of a certificate that expires soon, and fails with 3 for one that is not trusted', async () => {
    const authority = makeAuthority(home)
    const {cert, key} = authority.issue('server', {hosts: ['127.0.0.1'], to: daysFromNow(10)})
    await using server = await NatsServer.start(`tls { cert_file: "${cert}", key_file: "${key}", timeout: 5 }`)
    const soon = await doctor('-b', server.url(), '--tls-ca', authority.cert)
    expect(soon.code).toBe(0)
    expect(soon.of('TLS')).toMatchObject([
      {verdict: 'warning', text: expect.stringMatching(/TLSv1.*server, by test CA/)},
    ])
    const unknown = await doctor('-b', server.url())
    expect(unknown.code).toBe(3)
    const taken = await doctor('-b', server.url(), '--insecure')
    expect(taken.of('TLS')[0]?.text).toContain('accepted only because of --insecure')
  })

  it('fails with 3 if nothing listens or the host is unknown, and says which', async () => {
    const nobody = await doctor('-b', 'nats://127.0.0.1:1')
    expect(nobody.code).toBe(3)
    expect(nobody.of('connect')).toMatchObject([{verdict: 'failure'}])
    const unknown = await doctor('-b', 'nats://nobody.invalid')
    expect(unknown.code).toBe(3)
    expect(unknown.of('resolve')).toMatchObject([{verdict: 'failure'}])
  })
})
