import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeEach, describe, expect, it} from 'vitest'
import {type BusOptions, bus, type Ended, start} from '../../bus.ts'
import {makeAuthority} from '../../certificates.ts'
import {makeNkey, TestOperator} from '../../nats-jwt.ts'
import {NatsServer} from '../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-test-'))
const operator = new TestOperator()
const user = operator.user()
const nkey = makeNkey()
const authority = makeAuthority(folder)
const forServer = authority.issue('server', {hosts: ['127.0.0.1']})
const servers = {
  users: await NatsServer.start('authorization { users: [{user: ann, password: "s3cret-pass"}] }'),
  token: await NatsServer.start('authorization { token: "s3cret-token" }'),
  nkeys: await NatsServer.start(`authorization { users: [{nkey: ${nkey.publicKey}}] }`),
  operator: await NatsServer.start(operator.config),
  tls: await NatsServer.start(`tls { cert_file: "${forServer.cert}", key_file: "${forServer.key}", timeout: 5 }`),
  jetstream: await NatsServer.start(
    (store) => `server_name: n1\njetstream { store_dir: "${store}", max_mem: 1MB, max_file: 10MB }`,
  ),
}
const unreachable = 'nats://127.0.0.1:1'
let config = ''
let env: Record<string, string> = {}

beforeEach(() => {
  config = mkdtempSync(join(folder, 'config-'))
  env = {XDG_CONFIG_HOME: config, XDG_STATE_HOME: join(config, 'state')}
})
afterAll(async () => {
  for (const server of Object.values(servers)) await server[Symbol.asyncDispose]()
  rmSync(folder, {recursive: true})
})

/** Runs a command line and checks that its output contains no secret. */
async function safely(args: readonly string[], options: BusOptions = {}): Promise<Ended> {
  const ended = await bus(args, {...options, env: {...env, ...options.env}})
  for (const secret of ['s3cret', 'hunter2', nkey.seed, user.seed, user.jwt]) {
    expect(ended.stdout + ended.stderr).not.toContain(secret)
  }
  return ended
}

const context = (...args: string[]) => safely(['context', ...args])
const own = (name: string) => join(config, 'busline', 'contexts', `${name}.json`)
const saved = (name: string) => JSON.parse(readFileSync(own(name), 'utf8'))

/** A context as the NATS CLI saves it. */
function natsContext(name: string, fields: object): string {
  const path = join(config, 'nats', 'context', `${name}.json`)
  mkdirSync(join(path, '..'), {recursive: true})
  const all = {description: '', url: '', socks_proxy: '', token: '', user: '', password: '', creds: '', nkey: ''}
  const more = {cert: '', key: '', ca: '', nsc: '', inbox_prefix: '', user_jwt: '', user_seed: '', color_scheme: ''}
  const text = JSON.stringify({...all, ...more, tls_first: false, ...fields}, null, 2)
  writeFileSync(path, text, {mode: 0o600})
  return path
}

describe('context add', () => {
  it('saves the flags in a file that only its owner can read', async () => {
    const args = ['--bus', 'nats://a:4222', '--user', 'ann', '--password', 's3cret-pass', '--tls-first', '-t', '1500ms']
    const {code, stdout, stderr} = await context('add', 'prod', ...args, '--description', 'the real one')
    expect([code, stdout, stderr]).toEqual([0, '', `saved prod in ${own('prod')}\ntry: bus context check prod\n`])
    expect(saved('prod')).toEqual({
      ...{url: 'nats://a:4222', description: 'the real one', timeout: '1500ms', user: 'ann', password: 's3cret-pass'},
      tls_first: true,
    })
    expect(statSync(own('prod')).mode & 0o777).toBe(0o600)
    expect(statSync(join(own('prod'), '..')).mode & 0o777).toBe(0o700)
    expect(readdirSync(join(own('prod'), '..'))).toEqual(['prod.json'])
  })

  it('makes relative paths absolute and keeps references', async () => {
    const cwd = mkdtempSync(join(folder, 'cwd-'))
    const add = (name: string, ...args: string[]) => safely(['context', 'add', name, ...args], {cwd})
    await add('file', '--bus', './bus.db')
    await add('disk', '--bus', 'bus.db?synchronous=full')
    await add('libbus', '--bus', 'libbus:x.db?create')
    await add('creds', '--bus', 'host', '--creds', 'x.creds', '--tls-ca', '~/ca.pem')
    await add('jwt', '--bus', 'host:1', '--jwt', 'x.jwt', '--seed', 'env://SEED')
    expect(saved('file')).toEqual({url: `sqlite:${cwd}/bus.db`})
    expect(saved('disk')).toEqual({url: `sqlite:${cwd}/bus.db?synchronous=full`})
    expect(saved('libbus')).toEqual({url: `libbus:${cwd}/x.db?create`})
    expect(saved('creds')).toEqual({url: 'nats://host', creds: `${cwd}/x.creds`, ca: '~/ca.pem'})
    expect(saved('jwt')).toEqual({url: 'nats://host:1', user_jwt: `file://${cwd}/x.jwt`, user_seed: 'env://SEED'})
  })

  it('fails without a terminal if something is missing', async () => {
    expect(await context('add')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the name of the context is missing'),
    })
    expect(await context('add', 'x')).toMatchObject({code: 2, stderr: expect.stringContaining('--bus is missing')})
  })

  it('replaces a context with the same name only with --yes', async () => {
    await context('add', 'x', '--bus', 'nats://one')
    const again = ['add', 'x', '--bus', 'nats://two']
    expect(await context(...again)).toMatchObject({code: 2, stderr: expect.stringContaining('replace the context x')})
    expect(saved('x').url).toBe('nats://one')
    expect(await context(...again, '--yes')).toMatchObject({code: 0})
    expect(saved('x').url).toBe('nats://two')
  })

  it.each([
    [['a/b', '--bus', 'nats://a'], 'a context cannot be called "a/b"'],
    [['x', '--bus', 'gopher://a'], '"gopher://a" is not a bus'],
    [['x', '--bus', './a.db', '--creds', 'x'], 'creds of the context "x" is for servers'],
    [['x', '--bus', 'nats://a', '--creds', 'x', '--nkey', 'y'], 'are different logins'],
    [['x', '--bus', 'nats://a', '--max-reconnects', '3'], 'a context cannot contain --max-reconnects'],
  ])('refuses %j', async (args, sentence) => {
    expect(await context('add', ...args)).toMatchObject({code: 2, stderr: expect.stringContaining(sentence)})
    expect(existsSync(join(config, 'busline'))).toBe(false)
  })
})

describe('a context', () => {
  it('is the bus of a command by flag, by environment and by context use', async () => {
    await context('add', 'here', '--bus', join(config, 'here.db'))
    const pub = (args: string[], more = {}) => safely(['pub', 'a', 'x', ...args], {env: more})
    expect(await pub(['--context', 'here'])).toMatchObject({code: 0})
    expect(await pub([], {BUS_CONTEXT: 'here'})).toMatchObject({code: 0})
    await context('use', 'here')
    expect(await pub([])).toMatchObject({code: 0})
    const {messages} = JSON.parse((await context('check', '--json')).stdout)
    expect(messages).toBe(3)
    await context('use', '--none')
    expect(await pub([])).toMatchObject({code: 0})
    expect(JSON.parse((await context('check', 'here', '--json')).stdout)).toMatchObject({messages: 3})
  })

  it('sets the default of --timeout', async () => {
    const service = ['req', 'nobody.there', 'x', '--until-idle', '1s', '--context', 'here', '--json']
    await context('add', 'here', '--bus', servers.jetstream.url(), '-t', '150ms')
    await using silent = start(['sub', 'nobody.there', '--context', 'here'], {env})
    await silent.stderrLine('listening on ')
    expect(await safely(service)).toMatchObject({code: 6, stderr: expect.stringContaining('150 ms')})
  })

  it('is the bus of the tour, whose output contains no secret', async () => {
    await context('add', 'there', '--bus', servers.token.url(), '--token', 's3cret-token')
    expect(await safely(['tour', '--context', 'there'])).toMatchObject({code: 0})
    const byFlags = ['--bus', servers.users.url({login: 'ann:s3cret-pass'})]
    expect(await safely(['tour', ...byFlags])).toMatchObject({code: 0, stdout: expect.stringContaining('ann:***@')})
    expect(await safely(['tour', '--bus', servers.token.url(), '--token', 's3cret-token'])).toMatchObject({code: 0})
  })

  it('that does not exist is exit code 5, with the nearest name as a hint', async () => {
    await context('add', 'prod', '--bus', unreachable)
    for (const args of [['--context', 'prdo'], []]) {
      const ended = await safely(['pub', 'a', 'x', ...args], {env: {BUS_CONTEXT: 'prdo'}})
      expect(ended).toMatchObject({
        code: 5,
        stderr: 'bus: there is no context "prdo"\n  try: --context prod\n  try: bus context ls\n',
      })
    }
  })

  it('whose secrets others can read is used with a warning', async () => {
    await context('add', 'loose', '--bus', servers.token.url(), '--token', 's3cret-token')
    chmodSync(own('loose'), 0o644)
    const warning = `warning: other users can read the secrets of the context "loose": chmod 600 ${own('loose')}\n`
    expect((await safely(['pub', 'a', 'x', '--context', 'loose', '--quiet'])).stderr).toBe(warning)
  })

  it('sends its login to another URL only with a warning', async () => {
    await context('add', 'one', '--bus', unreachable, '--token', 's3cret-token')
    const url = servers.token.url()
    const ended = await safely(['pub', 'a', 'x', '--context', 'one', '--bus', url])
    const warning = `warning: the login from the context "one" is sent to ${url} (--bus)\n`
    expect(ended).toMatchObject({code: 0, stderr: `${warning}published 1 B to a\n`})
  })

  it('does not send its login to a bus from the environment', async () => {
    await context('add', 'one', '--bus', unreachable, '--token', 's3cret-token')
    await context('use', 'one')
    const ended = await safely(['pub', 'a', 'x'], {env: {NATS_URL: servers.token.url()}})
    expect(ended).toMatchObject({code: 4, stderr: expect.stringContaining('requires a login')})
  })
})

describe('a context of the NATS CLI', () => {
  const inData = (text: string) => `data:;base64,${Buffer.from(text).toString('base64')}`
  const at = (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }

  it.each<[string, keyof typeof servers, object]>([
    ['user and password', 'users', {user: 'ann', password: 's3cret-pass'}],
    ['a password in the environment', 'users', {user: 'ann', password: 'env://BUS_TEST_PASS'}],
    ['token', 'token', {token: 's3cret-token'}],
    ['token in a file', 'token', {token: `file://${at('token', 's3cret-token\n')}`}],
    ['credentials file', 'operator', {creds: at('x.creds', user.creds)}],
    ['credentials file by file://', 'operator', {creds: `file://${folder}/x.creds`}],
    ['credentials file by $VAR', 'operator', {creds: '$BUS_TEST_FOLDER/x.creds'}],
    ['credentials in the environment', 'operator', {creds: 'env://BUS_TEST_CREDS'}],
    ['credentials in the file itself', 'operator', {creds: inData(user.creds)}],
    ['JWT and seed', 'operator', {user_jwt: user.jwt, user_seed: user.seed}],
    ['nkey file', 'nkeys', {nkey: at('x.nk', nkey.seed)}],
    ['nkey in the file itself', 'nkeys', {nkey: inData(nkey.seed)}],
    ['a CA', 'tls', {ca: authority.cert}],
  ])('logs in by %s, and its file is not changed', async (_, which, fields) => {
    const path = natsContext('theirs', {url: servers[which].url(), ...fields})
    const before = readFileSync(path, 'utf8')
    const values = {BUS_TEST_PASS: 's3cret-pass', BUS_TEST_FOLDER: folder, BUS_TEST_CREDS: user.creds}
    const ended = await safely(['pub', 'a', 'x', '--context', 'theirs'], {env: values})
    expect(ended).toMatchObject({code: 0, stderr: 'published 1 B to a\n'})
    expect(readFileSync(path, 'utf8')).toBe(before)
  })

  it.each([
    [{creds: 'op://vault/item'}, 'creds of the context "theirs" is stored by 1Password (op://)'],
    [{creds: 'nsc://op/acct/user'}, 'creds of the context "theirs" is stored by nsc (nsc://)'],
    [{nsc: 'nsc://op/acct/user'}, 'asks for nsc (nsc://), which bus does not support'],
    [{token: 'env://NOPE'}, 'token of the context "theirs" names the variable NOPE, which is not set'],
  ])('that cannot be used is exit code 2: %j', async (fields, sentence) => {
    natsContext('theirs', {url: servers.users.url(), ...fields})
    const ended = await safely(['pub', 'a', 'x', '--context', 'theirs'])
    expect(ended).toMatchObject({code: 2, stderr: expect.stringContaining(sentence)})
  })

  it('with a wrong password is exit code 4, and no secret is shown', async () => {
    natsContext('theirs', {url: servers.users.url(), user: 'ann', password: 'hunter2'})
    for (const more of [[], ['--json']]) {
      const ended = await safely(['req', 'a', 'x', '--context', 'theirs', ...more])
      expect(ended).toMatchObject({code: 4, stderr: expect.stringContaining('with this password')})
    }
  })

  it('with fields that bus does not know works, and the fields are named', async () => {
    const color = {color_scheme: 'dark', windows_cert_match: 'x'}
    natsContext('theirs', {url: servers.users.url(), user: 'ann', password: 's3cret-pass', shiny: 1, ...color})
    const ended = await safely(['pub', 'a', 'x', '--context', 'theirs'])
    expect(ended).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('"theirs" has a field that bus does not know: shiny'),
    })
    expect(ended.stderr).not.toContain('color_scheme')
  })

  it('with a list of servers may have spaces in it, and schemes in upper case', async () => {
    const url = `NATS://127.0.0.1:1, ${servers.users.url().replace('nats', 'NATS')}`
    natsContext('theirs', {url, user: 'ann', password: 's3cret-pass'})
    expect(await safely(['pub', 'a', 'x', '--context', 'theirs'])).toMatchObject({code: 0})
    const byVariable = {env: {NATS_URL: url, NATS_USER: 'ann', NATS_PASSWORD: 's3cret-pass'}}
    expect(await safely(['pub', 'a', 'x'], byVariable)).toMatchObject({code: 0})
  })

  it('with a token in its URL and credentials sends both to the server', async () => {
    natsContext('theirs', {url: servers.operator.url().replace('://', '://tok@'), creds: at('y.creds', user.creds)})
    expect(await safely(['pub', 'a', 'x', '--context', 'theirs'])).toMatchObject({code: 0})
  })

  it('hidden by a new one is named', async () => {
    natsContext('theirs', {url: servers.users.url()})
    const added = await context('add', 'theirs', '--bus', 'nats://ours')
    expect(added).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('the context theirs of the NATS CLI is now hidden'),
    })
    expect((await context('rm', 'theirs', '--yes')).code).toBe(0)
  })

  it('that cannot be used is not removed on the advice of doctor', async () => {
    natsContext('broken', {socks_proxy: 'socks5://x'})
    const {stdout} = await safely(['doctor'])
    expect(stdout).toContain('SOCKS proxy')
    expect(stdout).not.toContain('context rm broken')
  })

  it('can be selected, whatever the NATS CLI has selected', async () => {
    natsContext('theirs', {url: servers.token.url(), token: 's3cret-token'})
    writeFileSync(join(config, 'nats', 'context.txt'), 'theirs')
    expect(JSON.parse((await context('check', '--json')).stdout).software).toBe('SQLite')
    await context('use', 'theirs')
    expect(JSON.parse((await context('check', '--json')).stdout).software).toBe('nats-server')
  })

  it('is not removed by context rm', async () => {
    const path = natsContext('theirs', {url: unreachable})
    const ended = await context('rm', 'theirs', '--yes')
    expect(ended).toMatchObject({code: 2, stderr: expect.stringContaining('try: nats context rm theirs')})
    expect(existsSync(path)).toBe(true)
  })
})

describe('context ls, show and rm', () => {
  beforeEach(async () => {
    natsContext('theirs', {url: 'nats://t', creds: '/t.creds', description: 'of the other tool'})
    natsContext('broken', {socks_proxy: 'socks5://x'})
    await context('add', 'ours', '--bus', 'nats://ann:s3cret@o', '--token', 's3cret-token', '--use')
  })

  it('list all contexts, with their problems', async () => {
    const {code, stdout} = await context('ls')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ +name +bus +login +from +description\n/)
    expect(stdout).toMatch(/^\* +ours +nats:\/\/ann:\*\*\*@o +token$/m)
    expect(stdout).toMatch(/^ +theirs +nats:\/\/t +credentials +NATS CLI +of the other tool$/m)
    expect(stdout).toMatch(/^ +broken +cannot be used .* SOCKS proxy/m)
  })

  it('list contexts as JSON', async () => {
    expect(JSON.parse((await context('ls', '--json')).stdout)).toEqual([
      {name: 'broken', from: 'nats', used: false, problem: expect.stringContaining('SOCKS')},
      {name: 'ours', from: 'busline', used: true, url: 'nats://ann:***@o', login: 'token'},
      ...[
        {
          name: 'theirs',
          from: 'nats',
          used: false,
          url: 'nats://t',
          description: 'of the other tool',
          login: 'credentials',
        },
      ],
    ])
  })

  it('list nothing if there are no contexts', async () => {
    env = {XDG_CONFIG_HOME: join(config, 'none')}
    expect(await context('ls')).toMatchObject({code: 0, stdout: '', stderr: expect.stringContaining('bus context add')})
    expect((await context('ls', '--json')).stdout).toBe('[]\n')
  })

  it('show a context without its secrets, by default the selected one', async () => {
    const expected = [
      ...[
        'name      ours',
        'url       nats://ann:***@o',
        'token     set',
        `file      ${own('ours')}`,
        'selected  yes, with bus context use',
        '',
      ],
    ]
    expect((await context('show')).stdout).toBe(expected.join('\n'))
    expect(JSON.parse((await context('show', 'ours', '--json')).stdout)).toEqual({
      ...{name: 'ours', from: 'busline', path: own('ours'), used: true, url: 'nats://ann:***@o', token: 'set'},
    })
    expect((await context('show', 'theirs')).stdout).toContain('the NATS CLI')
  })

  it('remove a context with --yes, and it is no longer selected', async () => {
    expect(await context('rm', 'ours')).toMatchObject({code: 2, stderr: expect.stringContaining('--yes')})
    expect(await context('rm', 'ours', '--yes')).toMatchObject({
      code: 0,
      stderr: 'removed ours; no context is selected now\n',
    })
    expect(existsSync(own('ours'))).toBe(false)
    expect(await context('show')).toMatchObject({code: 5})
    expect(await context('rm', 'ours', '--yes')).toMatchObject({code: 5})
  })
})

describe('context check', () => {
  it('shows the state of a server with the limits of the account', async () => {
    const {code, stdout} = await context('check', '--bus', servers.jetstream.url(), '--json')
    expect(code).toBe(0)
    const {version, roundTripMs, ...rest} = JSON.parse(stdout)
    expect(version).toMatch(/^2\.\d+/)
    expect(roundTripMs.median).toBeGreaterThanOrEqual(roundTripMs.min)
    expect(rest).toEqual({
      ...{url: servers.jetstream.url(), software: 'nats-server', server: 'n1', maxPayload: 1048576},
      jetstream: {
        ...{memory: {used: 0}, storage: {used: 0}, streams: {used: 0}, consumers: {used: 0}},
      },
    })
  })

  it('shows the limits of an account, and that a login may not request them', async () => {
    const limits = 'max_mem: 1048576, max_file: 2097152, max_streams: 5, max_consumers: 6'
    const users = 'users: [{user: a, password: p}, {user: b, password: p, permissions: {publish: {deny: "$JS.API.>"}}}]'
    await using server = await NatsServer.start(
      (store) => `jetstream { store_dir: "${store}" }\naccounts { A { jetstream: { ${limits} }, ${users} } }`,
    )
    const check = async (login: string) => {
      return JSON.parse((await context('check', '--bus', server.url({login}), '--json')).stdout).jetstream
    }
    expect(await check('a:p')).toEqual({
      ...{memory: {used: 0, limit: 1048576}, storage: {used: 0, limit: 2097152}},
      ...{streams: {used: 0, limit: 5}, consumers: {used: 0, limit: 6}},
    })
    expect(await check('b:p')).toEqual({missing: 'not known: this login has no permission to request it'})
  })

  it('shows the state of a server as text', async () => {
    const {stdout} = await context('check', '--bus', servers.jetstream.url())
    expect(stdout).toMatch(/^software {4}nats-server 2\.\d+/m)
    expect(stdout).toMatch(/^round trip {2}[\d.]+ \S+ \(median\), [\d.]+ \S+ at best$/m)
    expect(stdout).toMatch(/^JetStream {3}0 streams, 0 consumers$/m)
  })

  it('shows that a server has no JetStream', async () => {
    await context('add', 'plain', '--bus', servers.users.url(), '--user', 'ann', '--password', 's3cret-pass')
    expect((await context('check', 'plain')).stdout).toMatch(/^JetStream {3}none: not enabled on this server$/m)
  })

  it('shows the state of a bus file', async () => {
    const {stdout} = await context('check', '--bus', join(config, 'x.db'))
    expect(stdout).toMatch(/^software {4}SQLite 3\.\d+/m)
    expect(stdout).toMatch(/^messages {4}0$/m)
  })

  it('exits with 3 if it cannot connect, and with 4 if the login is refused', async () => {
    expect(await context('check', '--bus', unreachable)).toMatchObject({code: 3, stdout: ''})
    expect(await context('check', '--bus', servers.users.url())).toMatchObject({code: 4, stdout: ''})
  })
})

describe('the context topic', () => {
  it.each([[['context']], [['context', '--help']], [['help', 'context']]])(
    'shows its commands: bus %j',
    async (args) => {
      const {code, stdout} = await safely(args)
      for (const name of ['add', 'check', 'ls', 'rm', 'show', 'use'])
        expect(stdout).toMatch(new RegExp(`^ +context ${name} `, 'm'))
      expect(code).toBe(0)
    },
  )

  it('explains a command of two words', async () => {
    expect(await context('ls', '--help')).toMatchObject({code: 0, stdout: expect.stringMatching(/\$ bus context ls/)})
  })

  it('suggests the nearest command for a typing error', async () => {
    const sentence = 'bus: there is no command "context lst"\n  try: bus context ls\n'
    expect(await context('lst')).toMatchObject({code: 2, stderr: sentence})
  })
})
