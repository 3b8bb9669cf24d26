import {afterAll, beforeAll, describe, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {NatsServer} from '../nats-server.ts'
import {loginConfig, loginLines, logins, urlOf} from './logins.ts'
import {check, expectedFile, met, withRunner} from './visit.ts'

describe('logins:', () => {
  let server: NatsServer
  beforeAll(async () => {
    server = await NatsServer.start(loginConfig)
  }, 120_000)
  afterAll(() => server[Symbol.asyncDispose]())

  test.for(logins)('$name', async ({name, about, user}, {expect}) => {
    await using owner = await open(urlOf(server, 'owner'))
    for (const {config} of await owner.streams.list()) await owner.streams.remove(config.name)
    await owner.streams.add({name: 'ORDERS', subjects: ['orders.>']})
    for (const [i, token] of ['a', 'b', 'a', 'a'].entries())
      await owner.streams.publish({subject: `orders.${token}`, data: `${i + 1}`})
    await owner.streams.consumers.add('ORDERS', {name: 'c'})
    const shown = await withRunner((runner) => met(runner, urlOf(server, user), about, loginLines))
    await check(expect, shown, expectedFile('logins', name))
  })
})
