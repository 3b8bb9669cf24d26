/** What the commands that show stored messages tell about them, and how they write times and payloads. */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import {onBothBuses, type StoredScene} from '../both-buses.ts'
import {bus, start} from '../bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-shown-'))
afterAll(() => rmSync(folder, {recursive: true}))

/** A stream `S` with three messages and a consumer `c` that has returned the first one. */
async function filled(scene: StoredScene): Promise<number> {
  const {streams} = scene.transport
  await streams.add({name: 'S', subjects: ['s.>']})
  const {seq} = await streams.publish({subject: 's.a', data: '{"n":1}'})
  for (const n of [2, 3]) await streams.publish({subject: 's.a', data: `{"n":${n}}`})
  await streams.consumers.add('S', {name: 'c'})
  expect((await scene.run(['consumer', 'next', 'S', 'c', '--nak'])).code).toBe(0)
  return seq
}

const day = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}`
const tokyo = {env: {TZ: 'Asia/Tokyo'}}

/** The ways to show the first message, which was delivered before by some of them. */
const shows = [
  {name: 'sub --from', args: ['sub', 's.>', '--from', 'first', '-n', '1'], again: false},
  {name: 'sub --durable', args: ['sub', 's.>', '--durable', 'c', '-n', '1'], again: true},
  {name: 'consumer next', args: ['consumer', 'next', 'S', 'c'], again: true},
  {name: 'consumer next --peek', args: ['consumer', 'next', 'S', 'c', '--peek'], again: false},
  {name: 'consumer replay', args: ['consumer', 'replay', 'S', '-n', '1'], again: false},
  {name: 'consumer replay of a consumer', args: ['consumer', 'replay', 'S', 'c', '-n', '1'], again: true},
]

onBothBuses((newScene) => {
  it.each(shows)('$name shows sequence, date, zone and repeated deliveries', async ({args, again}) => {
    await using scene = await newScene()
    const seq = await filled(scene)
    const {stdout} = await scene.run(args, tokyo)
    const rest = again ? ` · 7 B · delivery 2\n    {"n":1}` : ' {"n":1}'
    expect(stdout).toMatch(new RegExp(`^#${seq} ${day}\\+09:00 s\\.a${rest.replace(/[{}]/g, '\\$&')}\\n$`))
  })

  it('JSON, formats, expressions and programs have the number of deliveries', async () => {
    await using scene = await newScene()
    const seq = await filled(scene)
    const next = (...flags: string[]) => scene.run(['consumer', 'next', 'S', 'c', '--nak', ...flags])
    expect(JSON.parse((await next('--json')).stdout)).toMatchObject({seq, deliveries: 2, json: {n: 1}})
    expect((await next('-f', '{seq} {deliveries}')).stdout).toBe(`${seq} 3\n`)
    expect((await next('--select', 'deliveries')).stdout).toBe('4\n')
    const {stdout} = await bus([
      ...['consumer', 'replay', 'S', 'c', '-n', '1', '-b', scene.url],
      ...['--exec', '--', 'sh', '-c', 'echo $BUS_DELIVERIES'],
    ])
    expect(stdout).toBe('5\n')
  })

  it('a payload in a pipe is followed by a newline only if there may be more', async () => {
    await using scene = await newScene()
    await filled(scene)
    const data = Uint8Array.of(0, 255, 10, 13)
    const {seq} = await scene.transport.streams.publish({subject: 's.b', data})
    const one = Buffer.from(data)
    const last = ['--from', 'last', '-n', '1', '--raw']
    for (const args of [
      ['stream', 'get', 'S', String(seq), '--raw'],
      ['sub', 's.b', ...last],
      ['consumer', 'replay', 'S', ...last],
    ])
      expect((await scene.run(args)).bytes, args.join(' ')).toEqual(one)
    const get = await scene.run(['stream', 'get', 'S', String(seq), '--raw', '--delimiter', '\\n'])
    expect(get.bytes).toEqual(Buffer.concat([one, Buffer.from('\n')]))
    expect((await scene.run(['stream', 'get', 'S', String(seq)])).bytes).toEqual(get.bytes)
    const peek = ['consumer', 'next', 'S', 'c', '--peek', '--raw']
    expect((await scene.run(peek)).stdout).toBe('{"n":1}')
    expect((await scene.run([...peek, '-n', '2'])).stdout).toBe('{"n":1}\n{"n":2}\n')
  })
})

describe('times', () => {
  it('are local with their zone, and with --utc in UTC, in tables, infos and questions', async () => {
    const path = join(folder, 'times.db')
    const run = (args: readonly string[], env = tokyo.env) => bus([...args, '-b', path], {env})
    await run(['stream', 'add', 'S', 's.>'])
    await run(['pub', 's.a', '1', '--ack'])
    await run(['consumer', 'add', 'S', 'c', '--deliver', '@2026-01-02T03:04:05'])
    for (const args of [
      ['stream', 'info', 'S'],
      ['consumer', 'info', 'S', 'c'],
      ['consumer', 'replay', 'S', '--dry-run'],
      ['consumer', 'next', 'S', 'c', '--peek'],
      ['sub', 's.>', '--from', '@2026-01-02', '--end'],
      ['consumer', 'reset', 'S', 'c', '--to', '@2026-01-02'],
    ]) {
      const local = await run(args)
      expect(local.stdout + local.stderr, args.join(' ')).toMatch(new RegExp(`${day}\\+09:00`))
      expect(local.stdout + local.stderr, args.join(' ')).not.toMatch(/\d\d:\d\d:\d\d(\.\d+)?(?!\.|\d|\+09:00)/)
      const utc = await run([...args, '--utc'])
      expect(utc.stdout + utc.stderr, args.join(' ')).not.toContain('+09:00')
      expect(utc.stdout + utc.stderr, args.join(' ')).toMatch(new RegExp(`${day}Z`))
    }
  })

  it.each([
    ['@2026-01-02T03:04:05', '2026-01-01T18:04:05.000Z', '2026-01-02T03:04:05.000Z'],
    ['@2026-01-02', '2026-01-01T15:00:00.000Z', '2026-01-02T00:00:00.000Z'],
    ['@2026-01-02T03:04:05+01:00', '2026-01-02T02:04:05.000Z', '2026-01-02T02:04:05.000Z'],
  ])('without a zone are read as local ones, with --utc as those of UTC: %s', async (position, local, utc) => {
    const path = join(folder, `read-${local.replace(/\W/g, '')}.db`)
    const run = async (...args: string[]) => await bus([...args, '-b', path, '--json'], tokyo)
    await run('stream', 'add', 'S', 's.>')
    const deliver = async (name: string, ...more: string[]) =>
      JSON.parse((await run('consumer', 'add', 'S', name, '--deliver', position, ...more)).stdout).config.deliver
    expect(await deliver('a')).toEqual({time: local})
    expect(await deliver('b', '--utc')).toEqual({time: utc})
  })

  it('have their zone when messages arrive, and JSON and formats stay in UTC', async () => {
    const path = join(folder, 'live.db')
    const heard = async (...flags: string[]) => {
      await using sub = start(['sub', 'a', '-n', '1', '-b', path, ...flags], tokyo)
      await sub.stderrLine('listening on ')
      await bus(['pub', 'a', 'x', '-b', path])
      return (await sub.ended).stdout
    }
    expect(await heard()).toMatch(/^\[1] \d\d:\d\d:\d\d\.\d{3}\+09:00 a x\n$/)
    expect(await heard('--utc')).toMatch(/^\[1] \d\d:\d\d:\d\d\.\d{3}Z a x\n$/)
    expect(JSON.parse(await heard('--json')).time).toMatch(/^\d{4}-\d\d-\d\dT\S+Z$/)
    expect(await heard('-f', '{time}')).toMatch(/^\d{4}-\d\d-\d\dT\S+Z\n$/)
  })
})
