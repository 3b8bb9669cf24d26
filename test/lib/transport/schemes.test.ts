import {describe, expect, it} from 'vitest'
import {fileIn, hasLogin, isServer, parseBusFile, schemeOf} from '../../../src/lib/transport/schemes.ts'
import {serversIn} from '../../../src/lib/transport/server-urls.ts'

describe('the URL of a bus', () => {
  it.each([
    ['sqlite:bus.db', 'file'],
    ['bus.db', 'file'],
    ['C:/bus.sqlite', 'file'],
    ['libbus:x.db?create', 'file'],
    ['memory:bus.db', 'process'],
    ['nats://h', 'server'],
    ['WSS://h', 'server'],
    ['nats://a,b:2', 'server'],
    ['nats:4222', undefined],
    ['http://h', undefined],
    ['constructor:x', undefined],
    ['bus', undefined],
    ['', undefined],
  ])('%j has the place %j', (url, place) => {
    expect(schemeOf(url)?.place).toBe(place)
    expect(isServer(url)).toBe(place === 'server')
  })
})

describe('the file in the URL', () => {
  it.each([
    ['sqlite:bus.db', 'bus.db', ''],
    ['sqlite:/a/b', '/a/b', ''],
    ['sqlite:', '', ''],
    ['bus.db', 'bus.db', ''],
    ['./a b/bus.sqlite', './a b/bus.sqlite', ''],
    ['/x/bus.db', '/x/bus.db', ''],
    ['/x/bus.db?synchronous=full', '/x/bus.db', '?synchronous=full'],
    ['sqlite:a?b?synchronous=normal', 'a?b', '?synchronous=normal'],
    ['libbus:a.db?create&poll=5ms', 'a.db', '?create&poll=5ms'],
  ])('%j has the path %j and the options %j', (url, path, options) => {
    expect(fileIn(url)).toMatchObject({path, options})
  })

  it.each(['bus.txt', 'bus', '', 'memory:bus.db', 'nats://host/bus.db'])('%j does not exist', (url) => {
    expect(fileIn(url)).toBeUndefined()
  })

  it.each(['sqlite:a.db?mode=ro', 'a.db?bogus=1', 'sqlite:a.db?bogus', 'sqlite::memory:'])('%s is refused', (url) => {
    expect(() => parseBusFile(url)).toThrow(expect.objectContaining({kind: 'usage'}))
  })

  it('waits for the disk only with synchronous=full', () => {
    expect(parseBusFile('sqlite:a?synchronous=full')).toEqual({path: 'a', isSynchronous: true})
    expect(parseBusFile('a.db?synchronous=normal')).toEqual({path: 'a.db', isSynchronous: false})
    expect(() => parseBusFile('a.db?synchronous=extra')).toThrow('synchronous=extra')
  })
})

describe('the servers of a URL', () => {
  it('have their scheme, address and login', () => {
    expect(serversIn('NATS://u:p@h:1/a, tok@b,wss://c,')).toEqual([
      {scheme: 'nats', rest: 'u:p@h:1/a', login: 'u:p'},
      {scheme: undefined, rest: 'tok@b', login: 'tok'},
      {scheme: 'wss', rest: 'c', login: undefined},
    ])
  })

  it.each([
    ['nats://u:p@h', true],
    ['nats://h,u:p@i', true],
    ['nats://h/a@b', false],
    ['sqlite:a@b', false],
  ])('contain a login in %j: %j', (url, expected) => {
    expect(hasLogin(url)).toBe(expected)
  })
})
