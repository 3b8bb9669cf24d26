import {chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import {busUrl, checkContextName} from '../../../../src/lib/cli/target/context.ts'
import {findContext, listEntries} from '../../../../src/lib/cli/target/context-files.ts'

const config = mkdtempSync(join(tmpdir(), 'bus-test-'))
const env = {XDG_CONFIG_HOME: config}
afterAll(() => rmSync(config, {recursive: true}))
mkdirSync(join(config, 'nats', 'context'), {recursive: true})
mkdirSync(join(config, 'busline', 'contexts'), {recursive: true})

/** A file as saved by the NATS CLI, which writes every field. */
function nats(name: string, fields: object): string {
  const all = {
    description: '',
    url: '',
    token: '',
    user: '',
    password: '',
    creds: '',
    nkey: '',
    nsc: '',
    socks_proxy: '',
  }
  const path = join(config, 'nats', 'context', `${name}.json`)
  writeFileSync(
    path,
    JSON.stringify({...all, color_scheme: '', tls_first: false, windows_ca_certs_match: null, ...fields}),
  )
  return path
}

function own(name: string, text: string, mode = 0o600): string {
  const path = join(config, 'busline', 'contexts', `${name}.json`)
  writeFileSync(path, text, {mode})
  return path
}

describe('a context', () => {
  it('of the NATS CLI is read unchanged, except for its empty fields', () => {
    const path = nats('prod', {url: 'nats://a:4222,b:4222', creds: '~/x.creds', tls_first: true})
    expect(findContext('prod', env)).toEqual({
      ...{
        name: 'prod',
        from: 'nats',
        path,
        url: 'nats://a:4222,nats://b:4222',
        timeoutMs: undefined,
        isLoose: false,
        unknown: [],
      },
      fields: {url: 'nats://a:4222,b:4222', creds: '~/x.creds', tls_first: true},
    })
  })

  it('without a URL is the default server', () => {
    nats('bare', {})
    expect(findContext('bare', env).url).toBe('nats://127.0.0.1:4222')
  })

  it('of busline takes precedence over one of the NATS CLI with the same name', () => {
    nats('both', {url: 'nats://theirs'})
    own('both', '{"url": "nats://ours", "timeout": "1.5s"}')
    expect(findContext('both', env)).toMatchObject({from: 'busline', url: 'nats://ours', timeoutMs: 1500})
    expect(listEntries(env).filter(({name}) => name === 'both')).toHaveLength(1)
  })

  it('may be given as the path of a file', () => {
    const path = nats('elsewhere', {url: 'nats://e'})
    expect(findContext(path, {})).toMatchObject({name: 'elsewhere', url: 'nats://e'})
  })

  it('that does not exist is a failure with the nearest name', () => {
    const hints = ['--context prod', 'bus context ls']
    expect(() => findContext('prdo', env)).toThrow(expect.objectContaining({kind: 'notFound', try: hints}))
    expect(() => findContext('prod', {XDG_CONFIG_HOME: '/nowhere'})).toThrow(
      expect.objectContaining({try: hints.slice(1)}),
    )
  })

  it('is not an empty file, nor a file of another kind', () => {
    writeFileSync(join(config, 'nats', 'context', 'empty.json'), '')
    writeFileSync(join(config, 'nats', 'context', 'notes.txt'), 'x')
    expect(listEntries(env).map(({name}) => name)).not.toEqual(expect.arrayContaining(['empty']))
    expect(listEntries(env).some(({name}) => name.startsWith('notes'))).toBe(false)
  })

  it.each([
    ['no JSON', '{"url', 'is not JSON'],
    ['a list', '[]', 'is not a JSON object'],
    ['a user that is a number', '{"user": 1}', 'has a user that is not a string'],
    ['a switch that is a text', '{"tls_first": "yes"}', 'has a tls_first that is neither true nor false'],
    ['a proxy', '{"socks_proxy": "socks5://x"}', 'a SOCKS proxy, which bus does not support'],
    ['an event prefix', '{"jetstream_event_prefix": "E"}', 'asks for a prefix of JetStream events'],
    ['nsc', '{"nsc": "nsc://a/b/c"}', 'nsc (nsc://), which bus does not support'],
    ['a bus of no kind', '{"url": "gopher://x"}', '"gopher://x" is not a bus'],
    ['a bad timeout', '{"timeout": "5"}', 'it has no unit'],
  ])('with %s is refused, and the sentence names the file', (_, text, sentence) => {
    const path = own('bad', text)
    expect(() => findContext('bad', env)).toThrow(
      expect.objectContaining({kind: 'usage', message: expect.stringContaining(sentence)}),
    )
    expect(() => findContext('bad', env)).toThrow(path)
  })

  it('is unsafe if others can read a secret of busline', () => {
    const secret = '{"url": "nats://a", "password": "x", "user": "u"}'
    const isLoose = (text: string, mode: number) => {
      const path = own('loose', text)
      chmodSync(path, mode)
      return findContext('loose', env).isLoose
    }
    expect([isLoose(secret, 0o644), isLoose(secret, 0o640), isLoose(secret, 0o600)]).toEqual([true, true, false])
    expect(isLoose('{"url": "nats://u:p@a"}', 0o644)).toBe(true)
    expect(isLoose('{"url": "nats://a", "creds": "/a/b.creds", "token": "env://T"}', 0o644)).toBe(false)
  })
})

describe('a name', () => {
  it.each(['', ' ', 'a/b', 'a\\b', '..', '.hidden', '-x', 'a\nb'])('cannot be %j', (name) => {
    expect(() => checkContextName(name)).toThrow(expect.objectContaining({kind: 'usage'}))
  })

  it.each(['prod', 'eu-west.1', 'my server', 'größe'])('can be %j', (name) => {
    expect(checkContextName(name)).toBe(name)
  })
})

describe('the bus of a context', () => {
  it.each([
    ['nats://a:4222', 'nats://a:4222'],
    ['a:4222,b', 'nats://a:4222,nats://b'],
    ['nats://a, nats://b ,, c', 'nats://a,nats://b,nats://c'],
    ['NATS://a:4222', 'NATS://a:4222'],
    [' wss://a/x ', 'wss://a/x'],
    ['sqlite:/a/b', 'sqlite:/a/b'],
    ['/a/bus.db', '/a/bus.db'],
    ['memory:x', 'memory:x'],
  ])('%j is %s', (text, url) => {
    expect(busUrl(text)).toBe(url)
  })

  it.each(['gopher://x', 'a b', ''])('cannot be %j', (text) => {
    expect(() => busUrl(text)).toThrow(expect.objectContaining({kind: 'usage'}))
  })
})
