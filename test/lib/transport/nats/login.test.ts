import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import {BusError} from '../../../../src/lib/core/errors.ts'
import type {Login} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {makeNkey, TestOperator} from '../../../nats-jwt.ts'
import {NatsServer} from '../../../nats-server.ts'

const operator = new TestOperator()
const nkey = makeNkey()
const servers = {
  users: await NatsServer.start('authorization { users: [{user: "ann e", password: "s3cr:t@/"}] }'),
  token: await NatsServer.start('authorization { token: "t0ken-of-all" }'),
  nkeys: await NatsServer.start(`authorization { users: [{nkey: ${nkey.publicKey}}] }`),
  operator: await NatsServer.start(operator.config),
  open: await NatsServer.start(),
}
afterAll(async () => {
  for (const server of Object.values(servers)) await server[Symbol.asyncDispose]()
})

/** A file with this text, in the folder of a server. */
function file(name: string, text: string): string {
  const path = join(servers.users.folder, name)
  writeFileSync(path, text)
  return path
}

/** Logs in and sends a message to itself. */
async function roundTrip(url: string, login?: Login): Promise<string> {
  await using bus = await open(url, {login, connectTimeoutMs: 2000})
  await using subscription = await bus.subscribe('a')
  bus.publish({subject: 'a', data: 'in'})
  await bus.flush()
  const [message] = await subscription.take(1)
  return `${message?.text} ${bus.url}`
}

async function failure(url: string, login?: Login): Promise<BusError> {
  const error = await roundTrip(url, login).catch((error: unknown) => error)
  if (!(error instanceof BusError)) throw new Error(`no failure of ours: ${error}`)
  return error
}

describe('a login', () => {
  const user = operator.user()
  const userInUrl = 'ann%20e:s3cr%3At%40%2F'
  const inFile = {creds: file('user.creds', user.creds), nkey: file('user.nk', `# a comment\n${nkey.seed}\n`)}

  it.each<[string, keyof typeof servers, string, Login | undefined]>([
    ['user and password', 'users', '', {user: 'ann e', password: 's3cr:t@/'}],
    ['user and password in the URL', 'users', userInUrl, undefined],
    ['user and password in the URL, before others', 'users', userInUrl, {user: 'bob', password: 'x'}],
    ['token', 'token', '', {token: 't0ken-of-all'}],
    ['token in the URL', 'token', 't0ken-of-all', undefined],
    ['nkey seed in a file', 'nkeys', '', {nkeyFile: inFile.nkey}],
    ['nkey seed', 'nkeys', '', {seed: nkey.seed}],
    ['credentials file', 'operator', '', {credsFile: inFile.creds}],
    [
      'credentials file of Windows without a last newline',
      'operator',
      '',
      {creds: user.creds.trim().replaceAll('\n', '\r\n')},
    ],
    ['credentials', 'operator', '', {creds: user.creds}],
    ['JWT and seed', 'operator', '', {jwt: user.jwt, seed: user.seed}],
    ['JWT and seed file', 'operator', '', {jwt: `${user.jwt}\n`, nkeyFile: file('jwt.nk', user.seed)}],
    ['any, where none is asked for', 'open', userInUrl, {creds: user.creds}],
  ])('by %s is accepted', async (_, which, login, options) => {
    const server = servers[which]
    expect(await roundTrip(server.url({login}), options)).toBe(`in ${server.url()}`)
  })

  it.each<[string, keyof typeof servers, string, Login | undefined, string]>([
    ['wrong password', 'users', 'ann%20e:hunter2', undefined, 'refuses user "ann e" with this password'],
    [
      'wrong password in the options',
      'users',
      '',
      {user: 'x', password: 'hunter2'},
      'refuses user "x" with this password',
    ],
    ['wrong token', 'token', 'hunter2', undefined, 'refuses this token'],
    ['unknown nkey', 'nkeys', '', {seed: makeNkey().seed}, 'refuses this nkey'],
    ['user of another operator', 'operator', '', {creds: new TestOperator().user().creds}, 'refuses these credentials'],
    ['JWT with the seed of another', 'operator', '', {jwt: user.jwt, seed: nkey.seed}, 'refuses this JWT'],
    ['JWT without its seed', 'operator', '', {jwt: user.jwt}, 'refuses this JWT'],
    ['no login', 'users', '', undefined, 'requires a login'],
    ['no login at a server with nkeys', 'nkeys', '', undefined, 'requires a login'],
  ])('with a %s is denied, in a sentence without secrets', async (_, which, login, options, sentence) => {
    const server = servers[which]
    const error = await failure(server.url({login}), options)
    expect(error).toMatchObject({kind: 'denied', exitCode: 4, message: expect.stringContaining(sentence)})
    expect(error.message).toContain(server.url())
    const all = JSON.stringify([error.message, error.try, error.data, error.cause, error.stack])
    for (const secret of ['hunter2', 's3cr', options?.seed, options?.jwt, options?.creds]) {
      if (secret !== undefined) expect(all).not.toContain(secret)
    }
  })

  it('that has expired is denied, and the sentence has the time', async () => {
    const old = operator.user({expires: Date.UTC(2026, 0, 2, 3, 4) / 1000})
    for (const login of [
      {creds: old.creds},
      {credsFile: file('old.creds', old.creds)},
      {jwt: old.jwt, seed: old.seed},
    ]) {
      const error = await failure(servers.operator.url(), login)
      expect(error).toMatchObject({kind: 'denied', message: expect.stringContaining('expired 2026-01-02T03:04:00Z')})
    }
  })

  it('that expires later ends the subscription with a failure that says so', async () => {
    const soon = operator.user({expires: Math.floor(Date.now() / 1000) + 2})
    await using bus = await open(servers.operator.url(), {login: {creds: soon.creds}})
    await using subscription = await bus.subscribe('a')
    await expect(subscription.take(1)).rejects.toMatchObject({
      kind: 'denied',
      message: expect.stringContaining('expired'),
    })
    await expect(bus.flush()).rejects.toMatchObject({kind: 'denied'})
  })

  it.each<[string, Login, string]>([
    ['credentials file that is not there', {credsFile: '/nowhere/x.creds'}, '/nowhere/x.creds'],
    ['folder for a credentials file', {credsFile: '/'}, 'cannot read the credentials /'],
    ['credentials file without a JWT', {credsFile: file('bad.creds', 'SECRET')}, 'bad.creds contains no NATS user JWT'],
    [
      'credentials file without a sound seed',
      {creds: user.creds.replace(user.seed, user.seed.replace(/.$/, '!'))},
      'no valid nkey seed',
    ],
    ['seed file with something else', {nkeyFile: file('bad.nk', 'SECRET')}, 'bad.nk contains no valid nkey seed'],
    ['seed that is none', {seed: 'SUSECRET'}, 'no valid nkey seed'],
  ])('from a %s is refused before anything is sent', async (_, login, sentence) => {
    const error = await failure('nats://127.0.0.1:1', login)
    expect(error).toMatchObject({kind: 'usage', message: expect.stringContaining(sentence)})
    expect(error.message).not.toContain('SECRET')
  })

  it('is read from its file again at a reconnect', async () => {
    await using server = await NatsServer.start(operator.config)
    const path = file('renewed.creds', operator.user().creds)
    await using bus = await open(server.url(), {login: {credsFile: path}})
    await using subscription = await bus.subscribe('a')
    const renewed = operator.user()
    writeFileSync(path, renewed.creds)
    await server.stop()
    await server.run()
    await bus.flush()
    bus.publish({subject: 'a', data: 'x'})
    expect((await subscription.take(1)).map(({text}) => text)).toEqual(['x'])
    await using other = await open(server.url(), {login: {credsFile: path}})
    await other.flush()
  })

  it('that differs between the servers of one list is refused', async () => {
    const error = await failure('nats://a:secret@127.0.0.1:1,nats://b:secret@127.0.0.1:2')
    expect(error).toMatchObject({kind: 'usage'})
    expect(error.message).not.toContain('secret')
  })
})
