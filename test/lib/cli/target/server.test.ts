import {describe, expect, it} from 'vitest'
import {findBus} from '../../../../src/lib/cli/target/bus.ts'
import type {Context, ContextFields} from '../../../../src/lib/cli/target/context.ts'
import {reach, type ServerFlags} from '../../../../src/lib/cli/target/server.ts'
import {revealed} from '../../../../src/lib/core/secrets.ts'
import type {Login} from '../../../../src/lib/transport/contract.ts'

const url = 'nats://a:4222'

function context(fields: ContextFields): Context {
  const path = '/c/prod.json'
  return {
    name: 'prod',
    from: 'busline',
    path,
    url: 'nats://prod:4222',
    timeoutMs: undefined,
    isLoose: false,
    unknown: [],
    fields,
  }
}

/** The login, TLS and warnings for a URL of `--bus`. */
const given = (flags: ServerFlags, env = {}) => open(reach({url, context: undefined, why: '--bus'}, flags, env))
/** The same for the URL of a context. */
const inContext = (fields: ContextFields, flags: ServerFlags = {}, env = {}) =>
  open(reach({url: undefined, context: context(fields), why: 'context prod'}, flags, env))

/** With the text of each secret. */
function open(found: ReturnType<typeof reach>) {
  const entries = Object.entries(found.server.login ?? {})
  const login: Login = Object.fromEntries(entries.map(([part, value]) => [part, revealed(value)]))
  return {...found, server: {...found.server, ...(found.server.login && {login})}}
}

describe('the login', () => {
  it.each<[string, ServerFlags, object]>([
    ['user and password', {user: 'ann', password: 'x'}, {user: 'ann', password: 'x', token: undefined}],
    ['a user alone, which is a token', {user: 't'}, {token: 't'}],
    ['token', {token: 't'}, {token: 't'}],
    ['credentials file', {creds: '/a.creds'}, {credsFile: '/a.creds'}],
    ['nkey file', {nkey: '/a.nk'}, {nkeyFile: '/a.nk'}],
    ['JWT and seed', {jwt: 'a.b.c', seed: `SU${'A'.repeat(30)}`}, {jwt: 'a.b.c', seed: `SU${'A'.repeat(30)}`}],
    ['JWT and nkey file', {jwt: 'a.b.c', nkey: '/a.nk'}, {jwt: 'a.b.c', nkeyFile: '/a.nk'}],
  ])('is taken from the flags: %s', (_, flags, login) => {
    const found = given(flags)
    expect(found.server.login).toEqual({user: undefined, password: undefined, token: undefined, ...login})
    expect(found.warnings).toEqual([])
  })

  it('is taken from the environment next, then from the context', () => {
    const fields = {token: 'of the context'}
    expect(inContext(fields, {token: 'f'}, {NATS_TOKEN: 'e'}).server.login?.token).toBe('f')
    expect(inContext(fields, {}, {NATS_TOKEN: 'e'}).server.login?.token).toBe('e')
    expect(inContext(fields).server.login?.token).toBe('of the context')
  })

  it('comes completely from one place: a token of the environment is not combined with a user of the flags', () => {
    const {login} = given({user: 'ann', password: 'x'}, {NATS_TOKEN: 'e', NATS_CREDS: '/e.creds'}).server
    expect(login).toEqual({user: 'ann', password: 'x', token: undefined})
  })

  it('may get a missing password from the next place', () => {
    expect(given({user: 'ann'}, {NATS_PASSWORD: 'e'}).server.login).toMatchObject({user: 'ann', password: 'e'})
    expect(inContext({user: 'ann'}, {password: 'f'}).server.login).toMatchObject({user: 'ann', password: 'f'})
  })

  it('of a context may have an empty password', () => {
    expect(inContext({user: 'ann'}).server.login).toMatchObject({user: 'ann', password: ''})
  })

  it.each<[ServerFlags, string]>([
    [{user: 'a', password: 'hunter2', creds: '/x'}, '--user and --creds are different logins'],
    [{creds: '/x', nkey: '/y'}, '--creds and --nkey are different logins'],
  ])('must be unique: %j', (flags, sentence) => {
    expect(() => given(flags)).toThrow(expect.objectContaining({kind: 'usage', message: sentence}))
  })

  it('of the environment is not used if the URL has one', () => {
    const found = reach({url: 'nats://u:p@a', context: undefined, why: '--bus'}, {}, {NATS_CREDS: '/e.creds'})
    expect(found).toMatchObject({server: {login: {}}, warnings: []})
    expect(found.server.login?.credsFile).toBeUndefined()
  })
})

describe('a login that is sent to a bus from another place', () => {
  const chosen = (why: string, url_: string | undefined, fields?: ContextFields) => ({
    url: url_,
    context: fields && context(fields),
    why,
  })

  it('of the environment is reported', () => {
    const env = {NATS_TOKEN: 'hunter2'}
    const warning = 'the login from the environment is sent to nats://a:4222 (--bus)'
    expect(given({}, env).warnings).toEqual([warning])
    expect(inContext({}, {}, env).warnings).toEqual([
      'the login from the environment is sent to nats://prod:4222 (context prod)',
    ])
    for (const why of ['BUS_URL', 'NATS_URL']) expect(reach(chosen(why, url), {}, env).warnings).toEqual([])
  })

  it('of a context is reported, unless the URL is from the same context', () => {
    const fields = {user: 'ann', password: 'hunter2'}
    expect(reach(chosen('--bus', url, fields), {}, {}).warnings).toEqual([
      'the login from the context "prod" is sent to nats://a:4222 (--bus)',
    ])
    expect(reach(chosen('--bus', 'nats://prod:4222', fields), {}, {}).warnings).toEqual([])
    expect(inContext(fields).warnings).toEqual([])
  })

  it('of the command line is not reported', () => {
    expect(reach(chosen('NATS_URL', url), {token: 'f'}, {}).warnings).toEqual([])
  })
})

describe('TLS', () => {
  it('takes certificate and key from one place, and the CA from the first that has one', () => {
    const fields = {ca: '/c/ca', cert: '/c/cert', key: '/c/key'}
    expect(inContext(fields, {'tls-cert': '/f/cert'}, {NATS_CA: '/e/ca'}).server.tls).toMatchObject({
      ...{caFile: '/e/ca', certFile: '/f/cert', keyFile: undefined},
    })
    expect(inContext(fields).server.tls).toMatchObject({caFile: '/c/ca', certFile: '/c/cert', keyFile: '/c/key'})
  })

  it('without verification of the certificate is reported', () => {
    const warning = ['any certificate of nats://a:4222 is accepted: the server may be an impostor']
    expect(given({insecure: true})).toMatchObject({server: {tls: {insecure: true}}, warnings: warning})
    expect(inContext({insecure: true}).warnings).toHaveLength(1)
  })
})

describe('the way to reach a server', () => {
  it('has an inbox prefix from the flags, the environment or the context', () => {
    const fields = {inbox_prefix: 'c'}
    expect(inContext(fields, {'inbox-prefix': 'f'}, {NATS_INBOX_PREFIX: 'e'}).server.inboxPrefix).toBe('f')
    expect(inContext(fields, {}, {NATS_INBOX_PREFIX: 'e'}).server.inboxPrefix).toBe('e')
    expect(inContext(fields).server.inboxPrefix).toBe('c')
  })

  it('has no option that was not given', () => {
    expect(Object.keys(given({token: 't'}).server)).toEqual(['login', 'tls'])
    expect(given({'max-reconnects': 0, 'connect-timeout': 10}).server).toMatchObject({
      maxReconnects: 0,
      connectTimeoutMs: 10,
    })
  })
})

describe('a bus that is not a server', () => {
  it.each<[ServerFlags, string]>([
    [{creds: '/x'}, '--creds'],
    [{user: 'a'}, '--user'],
    [{'tls-ca': '/x'}, '--tls-ca'],
    [{'tls-first': true}, '--tls-first'],
    [{insecure: true}, '--insecure'],
  ])('refuses the login %j', async (flags, name) => {
    const failing = findBus({...flags, bus: 'sqlite:./x.db'}, {})
    await expect(failing).rejects.toMatchObject({
      kind: 'usage',
      message: `${name} is for servers, but sqlite:./x.db is not a server`,
    })
  })

  it('ignores the environment and connection flags', async () => {
    const found = await findBus({bus: 'sqlite:./x.db', 'max-reconnects': 3}, {NATS_CREDS: '/nowhere'})
    expect(found).toMatchObject({server: {}, warnings: []})
  })
})
