/** The examples of commands that only a cluster can run. */
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {open} from '../src/lib/transport/open.ts'
import type {StreamInfo, Streams} from '../src/lib/transport/streams-contract.ts'
import {root, startLine} from './bus.ts'
import {needsCluster} from './examples.ts'
import {Cluster} from './nats-cluster.ts'

/** By command line: the user who runs it, and what it writes. */
const setups: Readonly<Record<string, readonly [user: 'sys' | 'a', sees: RegExp]>> = {
  'bus account info': ['a', /^account +A\nuser +a\nconnections +\d/],
  'bus account info --json | jq .jetstream.storage.used': ['a', /^\d+\n$/],
  'bus server info': ['sys', /^server +(one|two|three)\n(.*\n)+\nserver +(one|two|three)\n/],
  'bus server info one': ['sys', /^server +one\n/],
  'bus server ls': ['sys', /^one .*\nthree .*\ntwo /m],
  'bus server ls --json | jq -r ".[].version"': ['sys', /^(\d+\.\d+\.\S+\n){3}$/],
  'bus server ping': ['sys', /^(one|two|three) /m],
  'bus server ping --idle 2s': ['sys', /^(one|two|three) /m],
  'bus server report connections': ['sys', /^name .*\nbus server report +SYS +sys /],
  'bus server report health': ['sys', /^one .* ok$/m],
  'bus server report jetstream': ['sys', /^three /m],
  'bus stream step-down ORDERS --yes': ['a', /^stream ORDERS is led by \w+; before by \w+\n/],
  'bus consumer step-down ORDERS billing --yes': ['a', /^consumer billing of ORDERS is led by \w+; before by \w+\n/],
  'bus stream peer-rm ORDERS three --yes': ['a', /^removed the copy of stream ORDERS from three\n/],
}

function documented(): string[] {
  const manifest = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8'))
  const commands: {id: string; examples?: {command: string}[]}[] = Object.values(manifest.commands)
  return commands
    .filter(({id}) => needsCluster.test(id))
    .flatMap(({id, examples = []}) => {
      expect(examples.length, id).toBeGreaterThan(0)
      return examples.map(({command}) => command.replaceAll('<%= config.bin %>', 'bus'))
    })
}

/** A stream with two copies, one of them on `server`, so that the third server can get one; and its consumer. */
async function addWithCopyOn(server: string, streams: Streams): Promise<void> {
  await streams.add({name: 'ORDERS', subjects: ['orders.>'], other: {placement: {tags: [server]}}})
  await streams.consumers.add('ORDERS', {name: 'billing'})
  await streams.update('ORDERS', {replicas: 2, other: {placement: undefined}})
  const isReady = ({leader, peers}: Pick<StreamInfo, 'leader' | 'peers'>) =>
    leader !== undefined && peers?.length === 1 && peers[0]?.state === 'current'
  for (let tries = 0; tries < 300; tries++) {
    const all = await Promise.all([streams.info('ORDERS'), streams.consumers.info('ORDERS', 'billing')])
    if (all.every(isReady)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('ORDERS has no second copy')
}

describe('an example of a command for a cluster runs', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await Cluster.start({
      config: `system_account: SYS
        accounts {
          SYS { users: [{user: sys, password: p}] }
          A { jetstream: enabled, users: [{user: a, password: p}] }
        }`,
    })
    await using admin = await open(cluster.servers[0].url({login: 'a:p'}))
    await addWithCopyOn('three', admin.streams)
  }, 90_000)
  afterAll(() => cluster[Symbol.asyncDispose]())

  test('all of them are listed here, and no others', () => {
    expect(Object.keys(setups).sort()).toEqual(documented().sort())
  })

  test.each(Object.entries(setups))('%s', {timeout: 60_000}, async (line, [user, sees]) => {
    await using running = startLine(line, {env: {BUS_URL: cluster.servers[0].url({login: `${user}:p`})}})
    const {code, stdout, stderr} = await running.ended
    expect([code, stdout + stderr]).toEqual([0, expect.stringMatching(sees)])
  })
})
