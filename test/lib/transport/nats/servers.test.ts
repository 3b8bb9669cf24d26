import {describe, expect, it} from 'vitest'
import {revealedJson} from '../../../../src/lib/core/secrets.ts'
import {parseServers} from '../../../../src/lib/transport/nats/servers.ts'

describe('a server URL', () => {
  it.each([
    ['nats://localhost', 'nats://localhost', ['localhost:4222']],
    ['nats://h:1', 'nats://h:1', ['h:1']],
    ['NATS://Host:1/', 'nats://Host:1', ['Host:1']],
    ['tls://h', 'tls://h', ['h:4222']],
    ['nats://[::1]:5', 'nats://[::1]:5', ['[::1]:5']],
    ['nats://[::1]', 'nats://[::1]', ['[::1]:4222']],
    ['ws://h', 'ws://h', ['ws://h:80']],
    ['ws://h:80/a/b?c=d', 'ws://h:80/a/b?c=***', ['ws://h:80/a/b?c=d']],
    ['wss://h/', 'wss://h', ['wss://h:443']],
    ['nats://a:1,b:2, nats://c:3,', 'nats://a:1,nats://b:2,nats://c:3', ['a:1', 'b:2', 'c:3']],
    ['ws://a,b:2', 'ws://a,ws://b:2', ['ws://a:80', 'ws://b:2']],
    ['nats://user:pa%3Ass@h:1', 'nats://h:1', ['h:1']],
    ['wss://t0ken@h', 'wss://h', ['wss://h:443']],
  ])('%s is shown as %s and means %j', (url, shown, list) => {
    expect(parseServers(url)).toMatchObject({shown, list})
  })

  it.each([
    ['nats://h', false, false],
    ['tls://h', true, false],
    ['nats://a,tls://b', true, false],
    ['ws://h', false, true],
    ['wss://h', true, true],
  ])('%s requires TLS: %s, and WebSockets: %s', (url, secure, webSocket) => {
    expect(parseServers(url)).toMatchObject({secure, webSocket})
  })

  it.each([
    ['nats://user:pa%3Ass@h', {user: 'user', password: 'pa:ss'}],
    ['nats://us%40er:p%zz@h', {user: 'us@er', password: 'p%zz'}],
    ['nats://t0ken@h', {token: 't0ken'}],
    ['nats://a:b@h,a:b@i', {user: 'a', password: 'b'}],
    ['nats://h,nats://a:b@i', {user: 'a', password: 'b'}],
    ['nats://h', undefined],
  ])('%s has its login', (url, login) => {
    const found = parseServers(url).login
    expect(found && JSON.parse(revealedJson(found))).toEqual(login)
    expect(JSON.stringify(found ?? {})).not.toMatch(/pa:ss|p%zz|t0ken|"b"/)
  })

  it.each(['nats://u:p/w@h', 'nats://u:12/w@h', 'nats://u:12,w@h', 'nats://u:12?w@h', 'ws://h/?t=a,b', 'nats://u:p@'])(
    '%s is refused: it is not certain where its login ends',
    (url) => {
      expect(() => parseServers(url)).toThrow(/ is not a server URL$/)
    },
  )
})
