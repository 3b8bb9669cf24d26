import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'
import {lacks} from '../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-edit-'))
afterAll(() => rmSync(folder, {recursive: true}))

const noMetadata = await lacks(2, 10)
const keepsRetention = await lacks(2, 11)

onBothBuses((newScene) => {
  test('a dry run of stream edit shows the changes and exits with 9; without changes it exits with 0', async () => {
    await using scene = await newScene()
    if (noMetadata !== '' && scene.url.startsWith('nats:')) return
    await scene.run(['stream', 'add', 'ORDERS', 'orders.>', '--max-msgs', '10'])
    const edit = ['stream', 'edit', 'ORDERS', '--max-msgs', '20', '--metadata', 'team=billing', '--dry-run']
    expect(await scene.run(edit)).toMatchObject({
      code: 9,
      stdout: '- max-msgs 10\n+ max-msgs 20\n- metadata none\n+ metadata {"team":"billing"}\n',
      stderr: 'bus: stream ORDERS would change: max-msgs, metadata\n',
    })
    expect((await scene.transport.streams.info('ORDERS')).config.maxMsgs).toBe(10)
    expect(await scene.run(edit.slice(0, -1))).toMatchObject({code: 0, stderr: 'changed stream ORDERS\n'})
    expect(await scene.run(edit)).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'stream ORDERS already has this configuration\n',
    })
    const {config} = await scene.transport.streams.info('ORDERS')
    expect(config).toMatchObject({maxMsgs: 20, metadata: {team: 'billing'}, subjects: ['orders.>']})
    const unset = await scene.run(['stream', 'edit', 'ORDERS', 'orders.>', 'paid', '--unset', 'max-msgs', '--json'])
    const document = JSON.parse(unset.stdout)
    expect(document.config).toMatchObject({subjects: ['orders.>', 'paid']})
    expect(document.config).not.toHaveProperty('maxMsgs')
    expect(document.changes).toContainEqual({setting: 'max-msgs', from: '20', to: 'none'})
  })

  test('stream edit asks before it removes messages', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'ORDERS'])
    for (const data of ['1', '2', '3']) await scene.transport.streams.publish({subject: 'ORDERS', data})
    const edit = ['stream', 'edit', 'ORDERS', '--max-msgs', '1']
    const refused = await scene.run(edit)
    expect(refused).toMatchObject({code: 2, stderr: expect.stringContaining('ORDERS, which removes 2 messages: pass')})
    expect((await scene.transport.streams.info('ORDERS')).state.messages).toBe(3)
    expect(await scene.run([...edit, '--yes'])).toMatchObject({code: 0})
    expect((await scene.transport.streams.info('ORDERS')).state.messages).toBe(1)
  })

  test('stream edit says how many messages retention interest removes, and refuses a change to a work queue', async () => {
    await using scene = await newScene()
    if (keepsRetention !== '' && scene.url.startsWith('nats:')) return
    const {streams} = scene.transport
    await scene.run(['stream', 'add', 'ORDERS'])
    for (const data of ['1', '2', '3']) await streams.publish({subject: 'ORDERS', data})
    const edit = ['stream', 'edit', 'ORDERS', '--retention', 'interest']
    expect(await scene.run(edit)).toMatchObject({code: 2, stderr: expect.stringContaining('removes 3 messages: pass')})
    await streams.consumers.add('ORDERS', {name: 'c'})
    expect(await scene.run(['consumer', 'next', 'ORDERS', 'c'])).toMatchObject({code: 0})
    const refused = await scene.run(edit)
    expect(refused).toMatchObject({code: 2, stderr: expect.stringContaining('up to 1 message that no consumer needs')})
    expect(await scene.run([...edit, '--yes'])).toMatchObject({code: 0})
    expect((await streams.info('ORDERS')).state.messages).toBe(2)
    expect(await scene.run(['stream', 'edit', 'ORDERS', '--retention', 'workqueue'])).toMatchObject({code: 2})
    expect(await scene.run(['stream', 'edit', 'ORDERS', '--retention', 'limits'])).toMatchObject({code: 0})
    expect((await streams.info('ORDERS')).config.retention).toBe('limits')
    const copy = ['stream', 'copy', 'ORDERS', 'WORK', 'work', '--retention', 'workqueue', '--allow-ttl']
    expect(await scene.run(copy)).toMatchObject({code: 0})
    expect((await streams.info('WORK')).config).toMatchObject({retention: 'workqueue', allowTtl: true})
    expect(await scene.run(['pub', 'work', 'x', '--ack', '--ttl', '1h'])).toMatchObject({code: 0})
    expect(await scene.run(['pub', 'work', 'x', '--ack', '--ttl', '100ms'])).toMatchObject({code: 2})
    expect((await scene.run(['stream', 'info', 'WORK'])).stdout).toMatch(/retention +workqueue/)
  })

  test('the configuration that stream info prints makes another stream, and changes one', async () => {
    await using scene = await newScene()
    const add = ['stream', 'add', 'A', 'a.>', '--max-age', '7d', '--discard', 'new', '--deny-purge', '--json']
    const path = join(folder, 'stream.json')
    writeFileSync(path, (await scene.run(add)).stdout)
    expect(await scene.run(['stream', 'add', 'B', 'b.>', '--config', path])).toMatchObject({code: 0})
    const {config} = await scene.transport.streams.info('B')
    expect(config).toMatchObject({name: 'B', subjects: ['b.>'], maxAgeMs: 7 * 86_400_000, denyPurge: true})
    writeFileSync(path, 'subjects: [b.>]\nmaxMsgs: 7\ndenyPurge: true\n')
    expect(await scene.run(['stream', 'edit', 'B', '--config', path])).toMatchObject({code: 0})
    const edited = await scene.transport.streams.info('B')
    expect(edited.config).toMatchObject({maxMsgs: 7, discard: 'old'})
    expect(edited.config).not.toHaveProperty('maxAgeMs')
    writeFileSync(path, 'max_msgs: 7\n')
    const refused = await scene.run(['stream', 'edit', 'B', '--config', path])
    expect(refused).toMatchObject({code: 2, stderr: expect.stringContaining('a stream has no setting "max_msgs"')})
  })

  test('stream rmm erases one message, and stream seal ends all changes', async () => {
    await using scene = await newScene()
    await scene.run(['stream', 'add', 'ORDERS'])
    const {streams} = scene.transport
    const {seq} = await streams.publish({subject: 'ORDERS', data: 'secret'})
    await streams.publish({subject: 'ORDERS', data: '2'})
    expect(await scene.run(['stream', 'rmm', 'ORDERS', `${seq}`])).toMatchObject({code: 2})
    const erased = await scene.run(['stream', 'rmm', 'ORDERS', `${seq}`, '--yes', '--json'])
    expect(JSON.parse(erased.stdout)).toEqual({stream: 'ORDERS', erased: seq, subject: 'ORDERS'})
    expect(await scene.run(['stream', 'rmm', 'ORDERS', `${seq}`, '--yes'])).toMatchObject({code: 5})
    expect(await scene.run(['stream', 'rmm', 'ORDERS', 'x', '--yes'])).toMatchObject({code: 2})
    expect((await streams.info('ORDERS')).state.messages).toBe(1)
    expect(await scene.run(['stream', 'seal', 'ORDERS', '--yes'])).toMatchObject({code: 0})
    expect(await scene.run(['stream', 'edit', 'ORDERS', '--max-msgs', '9'])).toMatchObject({code: 4})
    expect(await scene.run(['pub', 'ORDERS', 'x', '--ack'])).toMatchObject({code: 4})
    expect(await scene.run(['stream', 'purge', 'ORDERS', '--yes'])).toMatchObject({code: 4})
  })
})
