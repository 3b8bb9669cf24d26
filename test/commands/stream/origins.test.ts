import {describe, expect, test} from 'vitest'
import {parseMapping, parseOrigin} from '../../../src/commands/stream/origin-flags.ts'
import {onBothBuses} from '../../both-buses.ts'
import {lacks} from '../../nats-server.ts'

const noTransforms = await lacks(2, 10)

describe('the value of --mirror and --source', () => {
  test.each([
    ['ORDERS', {name: 'ORDERS'}],
    ['ORDERS,from=1042', {name: 'ORDERS', opt_start_seq: 1042}],
    ['ORDERS,from=@2026-11-20T10:00Z', {name: 'ORDERS', opt_start_time: '2026-11-20T10:00:00Z'}],
    ['ORDERS,from=@1763632800.12', {name: 'ORDERS', opt_start_time: '2025-11-20T10:00:00.12Z'}],
    ['ORDERS,from=first,filter=orders.*.paid', {name: 'ORDERS', filter_subject: 'orders.*.paid'}],
    [
      'ORDERS,transform=a.>:x.a.>,transform=b.*:x.b.{{wildcard(1)}}',
      {
        name: 'ORDERS',
        subject_transforms: [
          {src: 'a.>', dest: 'x.a.>'},
          {src: 'b.*', dest: 'x.b.{{wildcard(1)}}'},
        ],
      },
    ],
    [
      'ORDERS,transform=a.*.*:x.{{partition(3,1,2)}}.{{split(1,-)}},from=7',
      {
        name: 'ORDERS',
        opt_start_seq: 7,
        subject_transforms: [{src: 'a.*.*', dest: 'x.{{partition(3,1,2)}}.{{split(1,-)}}'}],
      },
    ],
    ['ORDERS,domain=hub', {name: 'ORDERS', external: {api: '$JS.hub.API'}}],
    ['ORDERS,api=JS.api,deliver=JS.deliver', {name: 'ORDERS', external: {api: 'JS.api', deliver: 'JS.deliver'}}],
  ])('%s', (input, origin) => expect(parseOrigin(input)).toEqual(origin))

  test.each([
    ['', 'the stream name "" is empty'],
    ['A,filters=a', '"filters=a" is not a setting'],
    ['A,filter', '"filter" is not a setting'],
    ['A,filter=', '"filter=" is not a setting'],
    ['A,from=1,from=2', 'from is given twice'],
    ['A,from=new', 'a source cannot start at "new"'],
    ['A,from=-5', 'a source cannot start at "-5"'],
    ['A,filter=a,transform=a:b', 'filter and transform cannot be used together'],
    ['A,transform=a', '"a" is not two patterns'],
    ['A,domain=a,api=b', 'domain and api cannot be used together'],
    ['A,deliver=b', 'deliver needs domain or api'],
    ['A,filter=a..b', 'a..b'],
  ])('%s is refused', (input, sentence) => expect(() => parseOrigin(input)).toThrow(sentence))
})

describe('the value of --transform and --republish', () => {
  test.each([
    ['a.>,x.>', {src: 'a.>', dest: 'x.>'}],
    ['a.*,x.{{partition(3,1)}}', {src: 'a.*', dest: 'x.{{partition(3,1)}}'}],
  ])('%s', (input, mapping) => expect(parseMapping(input)).toEqual(mapping))

  test.each(['a.>', 'a.>,', 'a,b,c', 'a.*,x.{{split(1,-)}},y'])('%s is refused', (input) =>
    expect(() => parseMapping(input)).toThrow('is not two patterns'),
  )
})

onBothBuses((newScene) => {
  test('--mirror and --source copy from other streams on a server; a bus file refuses them', async () => {
    await using scene = await newScene()
    const add = (...args: string[]) => scene.run(['stream', 'add', ...args])
    await add('ORDERS', 'orders.>')
    await add('PAID')
    if (!scene.url.startsWith('nats:')) {
      for (const flag of ['mirror', 'source']) {
        const {code, stderr} = await add('COPY', `--${flag}`, 'ORDERS,filter=orders.eu')
        expect([code, stderr]).toEqual([
          2,
          `bus: only a NATS server has the option ${flag}${flag === 'source' ? 's' : ''}\n`,
        ])
      }
      return
    }
    if (noTransforms !== '') return
    for (const token of ['eu', 'us', 'eu']) await scene.run(['pub', `orders.${token}`, token, '--ack'])
    const mirror = ['MIRROR', '--mirror', 'ORDERS,filter=orders.eu,from=2']
    expect(await add(...mirror)).toMatchObject({code: 0, stderr: 'stream MIRROR stores the messages of ORDERS\n'})
    const source = ['ALL', 'own', '--source', 'ORDERS,transform=orders.us:us', '--source', 'PAID,from=@-1h']
    expect(await add(...source)).toMatchObject({
      code: 0,
      stderr: 'stream ALL stores own and the messages of ORDERS, PAID\n',
    })
    expect((await add('COPY', '--source', 'ORDERS,domain=hub,filter=orders.eu')).code).toBe(0)
    const {streams} = scene.transport
    await expect.poll(async () => (await streams.info('MIRROR')).state).toMatchObject({messages: 1, lastSeq: 3})
    await expect.poll(async () => [...(await streams.subjects('ALL'))]).toEqual([['us', 1]])
    // The same flags again: the members that the server adds make no difference.
    expect(await add(...mirror)).toMatchObject({code: 0})
    expect(await add('COPY', '--source', 'ORDERS,domain=hub,filter=orders.eu')).toMatchObject({code: 0})
    expect((await streams.info('COPY')).config).toMatchObject({
      subjects: [],
      other: {sources: [{external: {api: '$JS.hub.API'}}]},
    })
    const shown = (await scene.run(['stream', 'info', 'ALL'])).stdout
    expect(shown).toMatch(/^sources +ORDERS, orders\.us as us · PAID, from 20/m)
    expect((await scene.run(['stream', 'info', 'MIRROR'])).stdout).toMatch(/^mirror of +ORDERS, orders\.eu, from #2$/m)
  })

  test('stream edit changes sources, and --unset and --config remove them and other options of a server', async () => {
    await using scene = await newScene()
    if (!scene.url.startsWith('nats:') || noTransforms !== '') return
    const {streams} = scene.transport
    for (const name of ['A', 'B']) await streams.add({name})
    await streams.add({name: 'ALL', subjects: ['all'], other: {sources: [{name: 'A'}], retention: 'interest'}})
    const edit = (...args: string[]) => scene.run(['stream', 'edit', 'ALL', ...args])
    expect(await edit('--source', 'B,filter=B', '--dry-run')).toMatchObject({
      code: 9,
      stdout: '- sources [{"name":"A"}]\n+ sources [{"name":"B","filter_subject":"B"}]\n',
    })
    expect((await edit('--source', 'B,filter=B')).code).toBe(0)
    expect((await streams.info('ALL')).config.other).toEqual({sources: [{name: 'B', filter_subject: 'B'}]})
    expect((await edit('--unset', 'source')).code).toBe(0)
    expect((await streams.info('ALL')).config.other).toBeUndefined()
    await edit('--source', 'A')
    const file = ['--config', '-']
    const stdin = JSON.stringify({subjects: ['all']})
    expect(await scene.run(['stream', 'edit', 'ALL', ...file], {stdin})).toMatchObject({code: 0})
    const {config} = await streams.info('ALL')
    expect([config.retention, config.other]).toEqual(['limits', undefined])
  })

  test('apply adds and removes sources, and export writes them', async () => {
    await using scene = await newScene()
    if (!scene.url.startsWith('nats:') || noTransforms !== '') return
    await scene.transport.streams.add({name: 'A'})
    const apply = (all: object) =>
      scene.run(['apply', '-'], {stdin: JSON.stringify({streams: {ALL: {subjects: ['all'], ...all}}})})
    const sources = [{name: 'A', filter_subject: 'A', external: {api: '$JS.hub.API'}}]
    expect(await apply({other: {sources}})).toMatchObject({code: 0})
    expect((await apply({other: {sources}})).stderr).toBe('everything is as described\n')
    expect((await scene.run(['export'])).stdout).toContain('filter_subject: A\n')
    expect((await apply({})).stderr).toBe('made 1 change\n')
    expect((await scene.transport.streams.info('ALL')).config.other).toBeUndefined()
  })
})
