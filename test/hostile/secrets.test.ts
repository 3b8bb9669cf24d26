import {mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {bus, start} from '../bus.ts'
import {makeNkey, TestOperator} from '../nats-jwt.ts'
import {NatsServer} from '../nats-server.ts'

const home = mkdtempSync(join(tmpdir(), 'bus-secrets-'))
const nkey = makeNkey()
const operator = new TestOperator()
const user = operator.user()
const servers = {
  users: await NatsServer.start('authorization { users: [{user: ann, password: "s3cret-pass"}] }'),
  token: await NatsServer.start('authorization { token: "s3cret-token" }'),
  nkeys: await NatsServer.start(`authorization { users: [{nkey: ${nkey.publicKey}}] }`),
  operator: await NatsServer.start(operator.config),
}
afterAll(async () => {
  for (const server of Object.values(servers)) await server[Symbol.asyncDispose]()
  rmSync(home, {recursive: true})
})

const secrets = ['s3cret', 'hunter2', nkey.seed, user.seed, user.jwt, Buffer.from(user.creds).toString('base64')]
const data = (text: string) => `data:;base64,${Buffer.from(text).toString('base64')}`

function expectNoSecret(text: string): void {
  for (const secret of secrets) expect(text).not.toContain(secret)
}

/** A context of busline or of the NATS CLI. */
function context(name: string, from: 'busline' | 'nats', fields: object): readonly string[] {
  const folder = join(home, '.config', ...(from === 'nats' ? ['nats', 'context'] : ['busline', 'contexts']))
  mkdirSync(folder, {recursive: true, mode: 0o700})
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(fields), {mode: 0o600})
  return ['--context', name]
}

interface Way {
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const to = (which: keyof typeof servers, login = '') => servers[which].url({login})
const ways: Readonly<Record<string, Way>> = {
  'user and password': {args: ['--bus', to('users'), '--user', 'ann', '--password', 's3cret-pass']},
  'a wrong password': {args: ['--bus', to('users'), '--user', 'ann', '--password', 'hunter2']},
  'a URL': {args: ['--bus', to('users', 'ann:s3cret-pass')]},
  'a URL with a wrong password': {args: ['--bus', to('users', 'ann:hunter2')]},
  'a URL with a token': {args: ['--bus', to('token', 's3cret-token')]},
  'a URL where nobody is': {args: ['--bus', 'nats://ann:hunter2@127.0.0.1:1,nats://hunter2@127.0.0.1:2']},
  'a token': {args: ['--bus', to('token'), '--token', 's3cret-token']},
  'credentials in the flag': {args: ['--bus', to('operator'), '--creds', data(user.creds)]},
  'an nkey in the flag': {args: ['--bus', to('nkeys'), '--nkey', data(nkey.seed)]},
  'a JWT and a seed': {args: ['--bus', to('operator'), '--jwt', user.jwt, '--seed', user.seed]},
  'a JWT and another seed': {args: ['--bus', to('operator'), '--jwt', user.jwt, '--seed', nkey.seed]},
  'the environment': {args: [], env: {NATS_URL: to('token'), NATS_TOKEN: 's3cret-token'}},
  'a URL in the environment': {args: [], env: {BUS_URL: to('users', 'ann:hunter2')}},
  'a JWT in the environment': {args: ['--bus', to('operator')], env: {NATS_JWT: user.jwt, NATS_SEED: user.seed}},
  'a context': {args: context('ours', 'busline', {url: to('users'), user: 'ann', password: 's3cret-pass'})},
  'a context with a URL': {args: context('url', 'busline', {url: to('users', 'ann:hunter2'), description: 'x'})},
  'a context with a JWT': {
    args: context('jwt', 'nats', {url: to('operator'), user_jwt: user.jwt, user_seed: user.seed}),
  },
  'a context with credentials': {args: context('creds', 'nats', {url: to('operator'), creds: data(user.creds)})},
  'a context that makes no sense': {
    args: context('two', 'nats', {url: to('token'), user: 'a', password: 'hunter2', creds: '/x'}),
  },
}

const check = join(home, 'c.yaml')
writeFileSync(check, 'checks:\n  - req: nobody.there\n    expect: json.a = "{env.MY_TOKEN}"\n')

describe.each(Object.entries(ways))('a login by %s', (_, {args, env}) => {
  test.each<readonly [readonly string[]]>([
    [['pub', 'a', 'x']],
    [['req', 'nobody.there', 'x', '-t', '1s', '--json']],
    [['doctor']],
    [['check', check, '--report', 'json=./r.json', '--report', 'junit=./r.xml', '--record', './failed']],
  ])('appears in no output of %j', async (command) => {
    const cwd = mkdtempSync(join(home, 'work-'))
    const strict = ['--connect-timeout', '2s']
    const ended = await bus([...command, ...args, ...strict], {cwd, env: {HOME: home, MY_TOKEN: 'hunter2', ...env}})
    expectNoSecret(ended.stdout + ended.stderr)
    expect(ended.stderr).not.toContain('    at ')
    for (const file of readdirSync(cwd, {recursive: true, withFileTypes: true}))
      if (file.isFile()) expectNoSecret(readFileSync(join(file.parentPath, file.name), 'utf8'))
  })
})

describe('a command that shows contexts', () => {
  test.each(['ours', 'url', 'jwt', 'creds', 'two'])('shows no secret of the context %s', async (name) => {
    for (const args of [['show', name], ['show', name, '--json'], ['ls'], ['ls', '--json'], ['check', name]]) {
      const {stdout, stderr} = await bus(['context', ...args], {env: {HOME: home}})
      expectNoSecret(stdout + stderr)
    }
  })
})

/** The command lines of a process and of all its descendants. */
function commandLines(pid: number): string[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return [readFileSync(`/proc/${pid}/cmdline`, 'utf8'), ...children.flatMap((child) => commandLines(Number(child)))]
}

describe.runIf(process.platform === 'linux')('the process list', () => {
  const flags = Object.entries(ways).filter(([name, way]) => way.args.length > 2 && !/wrong|another/.test(name))
  const urls = Object.entries(ways).filter(([name]) => name === 'a URL' || name === 'a URL with a token')

  test.each([...flags, ...urls])('shows no login given by %s, in any process', async (_, {args}) => {
    await using running = start(['sub', 'a', ...args])
    await running.stderrLine('listening on ')
    expectNoSecret(commandLines(running.pid).join('\n'))
  })

  test('shows no login of the clients of a benchmark', async () => {
    await using running = start(['bench', 'pub', 'a', '--clients', '2', '--for', '5s', ...(ways['a URL']?.args ?? [])])
    await expect.poll(() => commandLines(running.pid).length, {timeout: 10_000}).toBeGreaterThan(2)
    expectNoSecret(commandLines(running.pid).join('\n'))
  })

  test.each<readonly [readonly string[]]>([
    [['serve', 'a', '--echo', '-H', 'Authorization: Bearer hunter2']],
    [['events', 'serve', '--ws', '127.0.0.1:0', '--token', 'hunter2']],
  ])('shows no login of %j', async (args) => {
    await using running = start([...args, '--bus', `sqlite:${join(home, 'x.db')}`])
    await running.stderrLine('listening on ')
    expectNoSecret(commandLines(running.pid).join('\n'))
  })
})
