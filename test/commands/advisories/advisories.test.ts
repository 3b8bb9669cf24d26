import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {open} from '../../../src/lib/transport/open.ts'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'
import {bus, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

/** Terminates a message of the consumer, which the bus reports. */
async function terminate({transport}: StoredScene, stream: string): Promise<void> {
  await transport.streams.publish({subject: stream.toLowerCase(), data: 'x'})
  await using member = await transport.streams.consumers.consume(stream, 'c')
  for (const delivery of await member.take(1)) delivery.term('broken')
  await member.flush()
}

onBothBuses((newScene) => {
  test('an unknown kind of advisory is refused, and the nearest one is suggested', async () => {
    await using scene = await newScene()
    const {code, stderr} = await scene.run(['advisories', '--kind', 'max-delivery'])
    expect(code).toBe(2)
    expect(stderr).toContain('there is no advisory of the kind "max-delivery"\n  try: max-deliver\n')
    expect((await scene.run(['advisories', '--kind', 'x'])).stderr).toContain('try: bus advisories --help')
  })

  test('advisories shows what happens, filtered by kind, stream and consumer', async () => {
    await using scene = await newScene()
    for (const name of ['A', 'B']) {
      await scene.transport.streams.add({name, subjects: [name.toLowerCase()]})
      await scene.transport.streams.consumers.add(name, {name: 'c'})
    }
    await using all = scene.start(['advisories', '--kind', 'terminated', '-n', '2'])
    await using one = scene.start(['advisories', '--kind', 'terminated', '--stream', 'B', '--json', '-n', '1'])
    await using none = scene.start(['advisories', '--consumer', 'other', '--for', '2s', '-n', '1'])
    for (const each of [all, one, none]) await each.stderrLine('listening on ')
    await terminate(scene, 'A')
    await terminate(scene, 'B')
    const {code, stdout} = await all.ended
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^\S+ terminated A\/c #\d+ · 1 delivery · broken\n\S+ terminated B\/c /),
    ])
    expect(JSON.parse((await one.ended).stdout)).toMatchObject({
      ...{kind: 'terminated', stream: 'B', consumer: 'c', raw: {reason: 'broken', deliveries: 1}},
    })
    expect(await none.ended).toMatchObject({code: 6, stdout: ''})
  })

  test('stored advisories are shown from a position', async () => {
    await using scene = await newScene()
    const {streams} = scene.transport
    expect(await scene.run(['advisories', '--from', 'first', '--end'])).toMatchObject({code: 5, stdout: ''})
    await streams.add({name: 'KEEPER', subjects: ['$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>']})
    await streams.add({name: 'A', subjects: ['a']})
    await streams.consumers.add('A', {name: 'c'})
    await terminate(scene, 'A')
    await expect.poll(async () => (await streams.info('KEEPER')).state.messages).toBe(1)
    const {code, stdout} = await scene.run(['advisories', '--from', 'first', '--end'])
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^\S+ terminated A\/c .*\n$/)])
  })

  test('what is not an advisory is shown as it is', async () => {
    await using scene = await newScene()
    await using shown = scene.start(['advisories', '-n', '1', '--kind', 'unknown'])
    await shown.stderrLine('listening on ')
    scene.transport.publish({subject: '$JS.EVENT.ADVISORY.X', data: 'a\u001b[31mb'})
    await scene.transport.flush()
    expect((await shown.ended).stdout).toMatch(/^\S+ unknown a\S+31mb\n$/)
    expect((await shown.ended).stdout).not.toContain('\u001b')
  })
})

describe('on a server', () => {
  let server: NatsServer
  beforeAll(async () => {
    server = await NatsServer.start(`
      system_account: SYS
      accounts { SYS { users: [{user: sys, password: p}] }, A { users: [{user: a, password: p}] } }`)
  })
  afterAll(() => server[Symbol.asyncDispose]())

  test('advisories --connections shows clients that connect, with a system login', async () => {
    await using shown = start(['advisories', '--connections', '-n', '2', '-b', server.url({login: 'sys:p'})])
    await shown.stderrLine('listening on ')
    const client = await open(server.url({login: 'a:p'}), {name: 'seen'})
    await client.close()
    const {code, stdout} = await shown.ended
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^\S+ client-connect seen · account A · user a .*\n\S+ client-disconnect seen .*\n$/),
    ])
  })

  test('a bad flag is exit code 2', async () => {
    expect(await bus(['advisories', '--end', '-b', server.url()])).toMatchObject({code: 2, stdout: ''})
  })
})
