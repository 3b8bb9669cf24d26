import {mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import {chooseBus, findBus, prepareBus} from '../../../../src/lib/cli/target/bus.ts'

const all = {BUS_URL: 'memory:env', BUS_CONTEXT: 'prod', NATS_URL: 'nats://n:4222', HOME: '/home/ann'}
const without = (...names: (keyof typeof all)[]) =>
  Object.fromEntries(Object.entries(all).filter(([name]) => !names.includes(name as keyof typeof all)))

describe('the chosen bus', () => {
  it('is --bus first', () => {
    expect(chooseBus({bus: 'memory:flag'}, all)).toEqual({url: 'memory:flag', why: '--bus'})
  })

  it('is the URL of --bus with the login of --context when both are given', () => {
    const chosen = chooseBus({bus: 'memory:flag', context: 'prod'}, all)
    expect(chosen).toEqual({url: 'memory:flag', context: 'prod', why: '--bus'})
  })

  it('is the context of --context next', () => {
    expect(chooseBus({context: 'dev'}, all)).toEqual({context: 'dev', why: 'context dev'})
  })

  it('is BUS_URL next', () => {
    expect(chooseBus({}, all)).toEqual({url: 'memory:env', why: 'BUS_URL'})
  })

  it('is the context of BUS_CONTEXT next', () => {
    expect(chooseBus({}, without('BUS_URL'))).toEqual({context: 'prod', why: 'context prod, from BUS_CONTEXT'})
  })

  it('is NATS_URL next', () => {
    expect(chooseBus({}, without('BUS_URL', 'BUS_CONTEXT'))).toEqual({url: 'nats://n:4222', why: 'NATS_URL'})
  })

  it('is refused, instead of replaced, if the selected context cannot be read', () => {
    const config = mkdtempSync(join(tmpdir(), 'unreadable-'))
    mkdirSync(join(config, 'busline', 'context.txt'), {recursive: true})
    expect(() => chooseBus({}, {XDG_CONFIG_HOME: config, HOME: '/home/ann'})).toThrow(
      'cannot read which context is selected',
    )
    rmSync(config, {recursive: true})
  })

  it('accepts host:port in NATS_URL, like the NATS tools', () => {
    expect(chooseBus({}, {NATS_URL: 'h1:4222,tls://h2'}).url).toBe('nats://h1:4222,tls://h2')
  })

  it('is the context of NATS_CONTEXT next, then the one selected with context use', () => {
    const config = mkdtempSync(join(tmpdir(), 'bus-test-'))
    const env = {XDG_CONFIG_HOME: config, HOME: '/home/ann'}
    expect(chooseBus({}, env).why).toBe('your own bus file')
    mkdirSync(join(config, 'busline'))
    writeFileSync(join(config, 'busline', 'context.txt'), 'prod\n')
    expect(chooseBus({}, env)).toEqual({context: 'prod', why: 'context prod, selected with bus context use'})
    expect(chooseBus({}, {...env, NATS_CONTEXT: 'dev'})).toEqual({
      context: 'dev',
      why: 'context dev, from NATS_CONTEXT',
    })
    rmSync(config, {recursive: true})
  })

  it.each([
    [{HOME: '/home/ann'}, 'sqlite:/home/ann/.local/state/busline/bus.db'],
    [{HOME: '/home/ann', XDG_STATE_HOME: '/state'}, 'sqlite:/state/busline/bus.db'],
    [{HOME: '/home/ann', BUS_URL: '', BUS_CONTEXT: '', NATS_URL: ''}, 'sqlite:/home/ann/.local/state/busline/bus.db'],
  ])('is the per-user file last: %j', (env, url) => {
    expect(chooseBus({}, env)).toEqual({url, why: 'your own bus file'})
  })
})

describe('the folder of the per-user file', () => {
  const home = mkdtempSync(join(tmpdir(), 'bus-test-'))
  afterAll(() => rmSync(home, {recursive: true}))

  it('is created for its owner only', async () => {
    const chosen = await findBus({}, {HOME: home})
    prepareBus(chosen)
    expect(statSync(dirname(chosen.url.slice('sqlite:'.length))).mode & 0o777).toBe(0o700)
  })

  it('causes a failure in one sentence if it cannot be created', async () => {
    writeFileSync(join(home, 'file'), '')
    const chosen = await findBus({}, {XDG_STATE_HOME: join(home, 'file')})
    expect(() => prepareBus(chosen)).toThrow(/^cannot create the folder of your bus file/)
  })

  it('is not created if another bus is named', () => {
    prepareBus({url: `sqlite:${join(home, 'other', 'bus.db')}`, why: '--bus'})
    expect(() => statSync(join(home, 'other'))).toThrow()
  })
})
