/** Commands in a cluster of three whose servers stall, die and come back. */
import {existsSync, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {bus} from '../bus.ts'
import {Cluster} from '../nats-cluster.ts'
import type {NatsServer} from '../nats-server.ts'

describe('with a server of the cluster down', () => {
  let cluster: Cluster
  let url = ''
  /** Streams without replicas on the server that is down. */
  const gone: string[] = []

  beforeAll(async () => {
    cluster = await Cluster.start()
    const {servers} = cluster
    const names = Array.from({length: 9}, (_, n) => `R1_${n}`)
    {
      await using admin = await open(servers[0].url())
      await admin.streams.add({name: 'R3', subjects: ['r3'], replicas: 3})
      for (const name of names) await admin.streams.add({name, subjects: [name.toLowerCase()]})
    }
    const has = (server: NatsServer, name: string) =>
      existsSync(join(server.folder, 'jetstream', 'jetstream', '$G', 'streams', name))
    const dying = servers.find((server) => has(server, 'R1_0'))
    if (dying === undefined) throw new Error('no server has the stream R1_0')
    gone.push(...names.filter((name) => has(dying, name)))
    const others = servers.filter((server) => server !== dying)
    url = others.map((server) => server.url()).join(',')
    await dying.stop('SIGKILL')
    // Until R3 has a leader again, it is unreachable too.
    await using admin = await open(url)
    await admin.streams.info('R3')
  }, 90_000)

  const folder = mkdtempSync(join(tmpdir(), 'cluster-'))
  afterAll(async () => {
    rmSync(folder, {recursive: true})
    await cluster[Symbol.asyncDispose]()
  })

  test('stream ls lists each stream once, names the unreachable ones, and fails', async () => {
    const {code, stdout, stderr} = await bus(['stream', 'ls', '--json', '-b', url])
    const names = (JSON.parse(stdout) as {config: {name: string}}[]).map(({config}) => config.name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toContain('R3')
    expect([code, JSON.parse(stderr.slice(stderr.indexOf('{'))).error.data.unreachable]).toEqual([6, [...gone].sort()])
  }, 90_000)

  test('doctor fails, and names the unreachable streams', async () => {
    const {code, stdout} = await bus(['doctor', '-b', url])
    expect(stdout).toMatch(new RegExp(`failure.*no server responds for ${[...gone].sort().join(', ')}`))
    expect(code).toBe(9)
  }, 90_000)

  test('check init names the streams that it could not examine', async () => {
    const {code, stderr} = await bus(['check', 'init', join(folder, 'bus.yaml'), '-b', url])
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining(`not examined: no server responds for ${[...gone].sort().join(', ')}`),
    ])
  }, 90_000)

  test('reading subjects of an unreachable stream does not claim that no stream stores them', async () => {
    const {code, stderr} = await bus(['sub', String(gone[0]).toLowerCase(), '--from', 'first', '--end', '-b', url])
    expect(stderr).not.toMatch(/no stream (keeps|stores)|stream add/)
    expect(code).toBe(6)
  }, 90_000)
})
