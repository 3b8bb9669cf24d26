import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, it, test} from 'vitest'
import {globalFlags} from '../../src/lib/cli/flags/global.ts'
import {type BusOptions, bus, type Ended, root, start} from '../bus.ts'
import {makeAuthority} from '../certificates.ts'
import {makeNkey, TestOperator} from '../nats-jwt.ts'
import {lacks, NatsServer} from '../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-test-'))
const operator = new TestOperator()
const nkey = makeNkey()
const user = operator.user()
const authority = makeAuthority(folder)
const forServer = authority.issue('server', {hosts: ['127.0.0.1', 'localhost']})
const forClient = authority.issue('client')
const tls = (more: string) => `tls { cert_file: "${forServer.cert}", key_file: "${forServer.key}", ${more} }`
const hasTlsFirst = await lacks(2, 10)
const servers = {
  users: await NatsServer.start('authorization { users: [{user: ann, password: "s3cret-pass"}] }'),
  token: await NatsServer.start(
    'authorization { token: "s3cret-token" }\nwebsocket { listen: "127.0.0.1:-1", no_tls: true }',
  ),
  nkeys: await NatsServer.start(`authorization { users: [{nkey: ${nkey.publicKey}}] }`),
  operator: await NatsServer.start(operator.config),
  tls: await NatsServer.start(tls('timeout: 5')),
  clientTls: await NatsServer.start(tls(`ca_file: "${authority.cert}", verify: true, timeout: 5`)),
  open: await NatsServer.start(),
}
afterAll(async () => {
  for (const server of Object.values(servers)) await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

const secrets = ['s3cret', 'hunter2', nkey.seed, user.seed, user.jwt]

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text, {mode: 0o600})
  return path
}

const files = {
  creds: file('ann.creds', user.creds),
  nkey: file('ann.nk', nkey.seed),
  seed: file('ann.seed', user.seed),
  jwt: file('ann.jwt', user.jwt),
}

/** Runs a command line and checks that its output contains no secret. */
async function safely(args: readonly string[], options: BusOptions = {}): Promise<Ended> {
  const ended = await bus(args, options)
  for (const secret of secrets) expect(ended.stdout + ended.stderr).not.toContain(secret)
  return ended
}

const pub = (url: string, args: readonly string[], env = {}) => safely(['pub', 'a', 'x', '--bus', url, ...args], {env})

describe('a login by flags', () => {
  it.each<[string, keyof typeof servers, readonly string[]]>([
    ['user and password', 'users', ['--user', 'ann', '--password', 's3cret-pass']],
    ['token', 'token', ['--token', 's3cret-token']],
    ['a user alone', 'token', ['--user', 's3cret-token']],
    ['credentials file', 'operator', ['--creds', files.creds]],
    ['nkey file', 'nkeys', ['--nkey', files.nkey]],
    ['JWT and seed files', 'operator', ['--jwt', files.jwt, '--seed', files.seed]],
    ['JWT and nkey file', 'operator', ['--jwt', user.jwt, '--nkey', files.seed]],
  ])('is accepted: %s', async (_, which, args) => {
    expect(await pub(servers[which].url(), args)).toMatchObject({code: 0, stderr: 'published 1 B to a\n'})
  })

  it('is accepted over WebSockets', async () => {
    expect(await pub(servers.token.url({scheme: 'ws'}), ['--token', 's3cret-token'])).toMatchObject({code: 0})
  })

  it.each<[string, keyof typeof servers, readonly string[], string]>([
    ['wrong password', 'users', ['--user', 'ann', '--password', 'hunter2'], 'refuses user "ann" with this password'],
    ['wrong token', 'token', ['--token', 'hunter2'], 'refuses this token'],
    ['unknown nkey', 'nkeys', ['--nkey', files.seed], `refuses the nkey of ${files.seed}`],
    ['nobody', 'users', [], 'requires a login'],
  ])('that is refused is exit code 4 and one sentence: %s', async (_, which, args, sentence) => {
    const url = servers[which].url()
    const ended = await pub(url, args)
    expect(ended).toMatchObject({code: 4, stdout: '', stderr: expect.stringContaining(`bus: ${url} ${sentence}\n`)})
    const {error} = JSON.parse((await pub(url, [...args, '--json'])).stderr)
    expect(error).toMatchObject({kind: 'denied', exitCode: 4, message: `${url} ${sentence}`})
  })

  it.each<[readonly string[], string]>([
    [['--creds', '/nowhere/x.creds'], 'cannot read the credentials /nowhere/x.creds: there is no such file'],
    [['--token', 'hunter2', '--creds', files.creds, '--user', 'ann'], '--user and --creds are different logins'],
    [['--creds', 'op://vault/item'], '--creds is stored by 1Password (op://), which bus does not support'],
    [['--password', 'env://NOPE', '--user', 'ann'], '--password names the variable NOPE, which is not set'],
  ])('that is invalid is exit code 2: %j', async (args, sentence) => {
    expect(await pub(servers.open.url(), args)).toMatchObject({code: 2, stderr: expect.stringContaining(sentence)})
  })

  it('is hidden from ps', async () => {
    const args = ['sub', 'a', '--bus', servers.token.url(), '--token', 's3cret-token']
    await using running = start(args)
    await running.stderrLine('listening on ')
    if (process.platform === 'linux') {
      const seen = readFileSync(`/proc/${running.pid}/cmdline`, 'utf8')
      expect(seen).toMatch(/^bus sub/)
      expect(seen).not.toContain('s3cret')
    }
  })

  it('is refused for a bus file', async () => {
    const ended = await safely(['pub', 'a', 'x', '--bus', join(folder, 'x.db'), '--password', 'hunter2'])
    expect(ended).toMatchObject({code: 2, stderr: expect.stringContaining('--password is for servers')})
  })
})

describe('a login by the environment', () => {
  it.each<[string, keyof typeof servers, Readonly<Record<string, string>>]>([
    ['user and password', 'users', {NATS_USER: 'ann', NATS_PASSWORD: 's3cret-pass'}],
    ['token', 'token', {NATS_TOKEN: 's3cret-token'}],
    ['credentials file', 'operator', {NATS_CREDS: files.creds}],
    ['nkey file', 'nkeys', {NATS_NKEY: files.nkey}],
    ['JWT and seed', 'operator', {NATS_JWT: user.jwt, NATS_SEED: user.seed}],
    ['CA', 'tls', {NATS_CA: authority.cert}],
    ['client certificate', 'clientTls', {NATS_CA: authority.cert, NATS_CERT: forClient.cert, NATS_KEY: forClient.key}],
  ])('is accepted: %s', async (_, which, env) => {
    const ended = await safely(['pub', 'a', 'x'], {env: {...env, NATS_URL: `127.0.0.1:${servers[which].port()}`}})
    expect(ended).toMatchObject({code: 0, stderr: 'published 1 B to a\n'})
  })

  it('is sent to the URL of --bus only with a warning, which --quiet does not suppress', async () => {
    const url = servers.token.url()
    const warning = `warning: the login from the environment is sent to ${url} (--bus)\n`
    expect((await pub(url, ['--quiet'], {NATS_TOKEN: 's3cret-token'})).stderr).toBe(warning)
  })

  it('is not used for a bus file', async () => {
    const ended = await pub(join(folder, 'x.db'), [], {NATS_CREDS: '/nowhere'})
    expect(ended).toMatchObject({code: 0, stderr: 'published 1 B to a\n'})
  })
})

describe('TLS', () => {
  const ca = ['--tls-ca', authority.cert]

  it('accepts a private CA', async () => {
    const url = servers.tls.url({scheme: 'tls'})
    expect(await pub(url, ca)).toMatchObject({code: 0, stderr: 'published 1 B to a\n'})
    expect(await pub(url, [])).toMatchObject({code: 3, stderr: expect.stringContaining('--tls-ca FILE')})
  })

  it('sends a client certificate', async () => {
    const url = servers.clientTls.url()
    const certificate = ['--tls-cert', forClient.cert, '--tls-key', forClient.key]
    expect(await pub(url, [...ca, ...certificate])).toMatchObject({code: 0})
    expect(await pub(url, ca)).toMatchObject({code: 4, stderr: expect.stringContaining('--tls-cert FILE')})
    expect(await pub(url, ['--tlsca', authority.cert, '--tlscert', forClient.cert])).toMatchObject({code: 2})
  })

  it('accepts any certificate with --insecure, and prints a warning', async () => {
    const url = servers.tls.url()
    expect(await pub(url, ['--insecure'])).toMatchObject({
      code: 0,
      stderr: `warning: any certificate of ${url} is accepted: the server may be an impostor\npublished 1 B to a\n`,
    })
  })

  test.skipIf(hasTlsFirst !== '')(`may start before the server greets${hasTlsFirst}`, async () => {
    await using server = await NatsServer.start(tls('handshake_first: true, timeout: 5'))
    expect(await pub(server.url(), [...ca, '--tls-first'])).toMatchObject({code: 0})
    expect(await pub(server.url(), [...ca, '--connect-timeout', '300ms'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('--tls-first'),
    })
  })
})

describe('a lost connection', () => {
  it('is waited for by a subscription, except with --max-reconnects 0', async () => {
    await using server = await NatsServer.start()
    await using patient = start(['sub', 'a', '--bus', server.url(), '-n', '1', '--raw'])
    await using strict = start(['sub', 'a', '--bus', server.url(), '--max-reconnects', '0'])
    await Promise.all([patient.stderrLine('listening on '), strict.stderrLine('listening on ')])
    await server.stop()
    expect(await strict.ended).toMatchObject({code: 3, stderr: expect.stringContaining('is lost')})
    await server.run()
    await patient.stderrLine('reconnected after')
    await pub(server.url(), [])
    expect(await patient.ended).toMatchObject({code: 0, stdout: 'x'})
  })

  it('fails a request immediately', async () => {
    await using server = await NatsServer.start()
    const at = ['--bus', server.url()]
    await using service = start(['serve', 'slow', '--echo', '--delay', '20s', ...at])
    await using witness = start(['sub', 'slow', '--raw', ...at])
    await Promise.all([service.stderrLine('listening on '), witness.stderrLine('listening on ')])
    await using asking = start(['req', 'slow', 'asked', '-t', '15s', ...at])
    await witness.stdoutLine('asked')
    await server.stop()
    expect(await asking.ended).toMatchObject({code: 3, stderr: expect.stringContaining('is lost')})
  })
})

describe('the table of flags before the command', () => {
  it('contains each flag that takes a value', async () => {
    const text = readFileSync(join(root, 'src/main.ts'), 'utf8')
    for (const [name, flag] of Object.entries(globalFlags)) {
      if (flag.type !== 'option') continue
      for (const each of [name, ...(flag.aliases ?? [])]) expect(text).toContain(`'--${each}'`)
    }
    const url = servers.token.url()
    expect(await safely(['--token', 's3cret-token', '--bus', url, 'pub', 'a', 'x'])).toMatchObject({code: 0})
  })
})
