import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'
import {bus} from '../../bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-apply-'))
afterAll(() => rmSync(folder, {recursive: true}))
let files = 0
function file(text: string): string {
  const path = join(folder, `${++files}.yaml`)
  writeFileSync(path, text)
  return path
}

const described = `
streams:
  ORDERS: {subjects: [orders.>], maxAgeMs: 604800000, description: all orders}
  PAID: {}
consumers:
  ORDERS:
    billing: {filters: [orders.new], ackWaitMs: 60000}
kv:
  config: {history: 5}
`

onBothBuses((newScene) => {
  test.each([
    ['consumers: {NONE: {c: {}}}', 'consumer c of NONE: ', 'has no stream NONE, and no file describes it'],
    ['consumers: {A: {a.b: {}}}', 'consumer a.b of A: ', 'contains "."'],
    ['kv: {a.b: {}}', '', 'a.b'],
    ['streams: {A: {}, B.C: {}}', 'stream B.C: ', 'contains "."'],
    ['streams: {A: {}, B: {subjects: [b..c]}}', 'stream B: ', 'b..c'],
    ['streams: {A: {}, B: {subjects: [b.>]}, C: {subjects: [b.x]}}', '', 'stream B and stream C would both store b.>'],
    ['streams: {A: {}, B: {subjects: [OLD]}}', '', 'stream B and stream OLD would both store OLD'],
    ['streams: {A: {}, OLD: {storage: memory}}', '', 'storage of the stream OLD'],
  ])('%s is refused before anything is done', async (more, what, fault) => {
    await using scene = await newScene()
    await scene.transport.streams.add({name: 'OLD'})
    const path = file(`${more}\n${more.startsWith('streams') ? '' : 'streams: {A: {}}\n'}`)
    for (const dry of [[], ['--dry-run']]) {
      const {code, stdout, stderr} = await scene.run(['apply', path, ...dry])
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toContain(`bus: ${what}`)
      expect(stderr).toContain(fault)
    }
    expect((await scene.transport.streams.list()).map(({config}) => config.name)).toEqual(['OLD'])
  })

  test.each([
    ['streams: {A: {}, B: {maxAgeMs: 1s, dedupeMs: 1m}}', 'stream B: message ids cannot be remembered'],
    ['streams: {A: {}, B: {maxBytes: 0}}', 'stream B: maxBytes is 0'],
    ['streams: {A: {}}\nconsumers: {A: {c: {filters: [x]}}}', 'consumer c of A: the stream stores no subject'],
    [
      'streams: {A: {}}\nconsumers: {A: {c: {maxDeliver: 1, backoffMs: [1s, 2s]}}}',
      'consumer c of A: max deliver is 1',
    ],
    ['kv: {a: {}, b: {history: 65}}', 'a bucket keeps at most 64'],
  ])('settings that a bus file does not accept are refused before anything is done: %s', async (text, fault) => {
    await using scene = await newScene()
    if (scene.url.startsWith('nats:')) return
    expect(await scene.run(['apply', file(text)])).toMatchObject({code: 2, stderr: expect.stringContaining(fault)})
    expect(await scene.transport.streams.list()).toEqual([])
  })

  test('a new stream can take over a subject of another one, and consumers of a stream that does not exist are refused', async () => {
    await using scene = await newScene()
    await scene.transport.streams.add({name: 'OLD', subjects: ['a', 'b']})
    expect(await scene.run(['apply', file('streams: {OLD: {subjects: [a]}, NEW: {subjects: [b]}}')])).toMatchObject({
      code: 0,
    })
    const path = file('streams: {OLD: {subjects: [a]}}\nconsumers: {NEW: {c: {}}}')
    expect(await scene.run(['apply', path, '--prune', '--yes'])).toMatchObject({code: 2})
    expect(await scene.transport.streams.list()).toHaveLength(2)
  })

  test('a bus is made as described, and what it exports changes nothing', async () => {
    await using scene = await newScene()
    const path = file(described)
    const dry = await scene.run(['apply', path, '--dry-run'])
    expect(dry).toMatchObject({code: 9, stderr: 'bus: 4 changes would be made\n'})
    expect(dry.stdout).toContain('+ stream ORDERS\n+   description all orders\n+   max-age 7d\n+   subjects orders.>\n')
    expect(await scene.transport.streams.list()).toEqual([])
    expect(await scene.run(['apply', path])).toMatchObject({code: 0, stderr: 'made 4 changes\n'})
    expect(await scene.run(['apply', path])).toMatchObject({code: 0, stderr: 'everything is as described\n'})
    const {streams} = scene.transport
    expect((await streams.info('ORDERS')).config).toMatchObject({maxAgeMs: 604_800_000, subjects: ['orders.>']})
    expect((await streams.consumers.info('ORDERS', 'billing')).config).toMatchObject({ackWaitMs: 60_000})
    expect((await streams.info('KV_config')).config.maxMsgsPerSubject).toBe(5)

    const exported = await scene.run(['export', '--json'])
    expect(JSON.parse(exported.stdout)).toEqual({
      streams: {
        ORDERS: {subjects: ['orders.>'], maxAgeMs: 604_800_000, description: 'all orders'},
        PAID: {subjects: ['PAID']},
      },
      consumers: {ORDERS: {billing: {filters: ['orders.new'], ackWaitMs: 60_000}}},
      kv: {config: {history: 5}},
    })
    const yaml = await scene.run(['export'])
    const again = await scene.run(['apply', '-', '--dry-run'], {stdin: yaml.stdout})
    expect(again).toMatchObject({code: 0, stderr: 'everything is as described\n'})
    const other = await bus(['apply', '-', '-b', join(folder, `other${++files}.db`)], {stdin: yaml.stdout})
    expect(other).toMatchObject({code: 0, stderr: 'made 4 changes\n'})
  })

  test('messages are removed only after a question', async () => {
    await using scene = await newScene()
    await scene.run(['apply', file(described)])
    const {streams} = scene.transport
    for (const data of ['1', '2']) await streams.publish({subject: 'PAID', data})
    const limited = file('streams: {PAID: {maxMsgs: 1}}\n')
    const refused = await scene.run(['apply', limited])
    expect(refused).toMatchObject({code: 2, stderr: expect.stringContaining('remove 1 message of stream PAID: pass')})
    expect((await streams.info('PAID')).state.messages).toBe(2)
    const pruned = await scene.run(['apply', limited, '--prune', '--json'])
    expect(pruned).toMatchObject({code: 2, stderr: expect.stringContaining('stream ORDERS with 0 messages')})
    expect(await scene.run(['apply', limited, '--prune', '--yes'])).toMatchObject({code: 0})
    const left = (await streams.list()).map(({config}) => config.name)
    expect(left).toEqual(['KV_config', 'PAID'])
    expect((await streams.info('PAID')).state.messages).toBe(1)
  })

  test('what cannot be done is refused before anything is done', async () => {
    await using scene = await newScene()
    const refused = async (text: string, ...more: string[]) => {
      const path = file(text)
      const {code, stderr} = await scene.run(['apply', path, ...more])
      return [code, stderr.split('\n')[0]?.replace(path, 'FILE')]
    }
    expect(await refused('streams: {A: {subjets: [a]}}\n')).toEqual([
      2,
      'bus: FILE: streams.A: Unrecognized key: "subjets"',
    ])
    expect(await refused('streams: {A: {maxMsgs: many}}\n')).toEqual([
      2,
      'bus: FILE: streams.A.maxMsgs: Invalid input: expected number, received string',
    ])
    const twice = file('streams: {A: {}}\n')
    expect((await refused('streams: {A: {}}\n', twice))[1]).toContain('streams.A is described by another file too')
    await scene.run(['stream', 'add', 'A'])
    await scene.run(['consumer', 'add', 'A', 'c', '--ack', 'none'])
    const [code, sentence] = await refused('consumers: {A: {c: {ack: explicit}}}\n')
    expect([code, sentence]).toEqual([2, expect.stringContaining('the ack of consumer c of A on')])
    if (scene.url.startsWith('nats:')) return
    const server = 'streams: {B: {other: {compression: s2}}}\n'
    expect((await refused(server))[1]).toContain('stream B has settings that only a NATS server has: compression')
    expect(await refused(server, '--skip-unsupported')).toEqual([
      0,
      'stream B is made without compression: only a NATS server has that',
    ])
  })
})
