/**
 * The contract of a bus in executable form. Cases are plain data, so that each can also be run against a driver with a known
 * fault and must fail (`faulty.test.ts`); `conformance` registers them all for a driver.
 */
import {describe, expect, test} from 'vitest'
import type {Features} from '../../src/lib/transport/contract.ts'
import type {Case} from './case.ts'
import {interests} from './interests.ts'
import {lifecycle} from './lifecycle.ts'
import {payloads} from './payloads.ts'
import {publishSubscribe} from './publish-subscribe.ts'
import {queues} from './queues.ts'
import {refusals} from './refusals.ts'
import {replies} from './replies.ts'
import {requests} from './requests.ts'
import {type Harness, Scene} from './scene.ts'
import {snapshots} from './snapshots.ts'
import {acknowledging} from './streams/acknowledging.ts'
import {batches} from './streams/batches.ts'
import {catalogue} from './streams/catalogue.ts'
import {changing} from './streams/changing.ts'
import {consumers} from './streams/consumers.ts'
import {delivering} from './streams/delivering.ts'
import {failing} from './streams/failing.ts'
import {following} from './streams/following.ts'
import {limits} from './streams/limits.ts'
import {making} from './streams/making.ts'
import {publishers} from './streams/publishers.ts'
import {purging} from './streams/purging.ts'
import {reading} from './streams/reading.ts'
import {redelivery} from './streams/redelivery.ts'
import {resetting} from './streams/resetting.ts'
import {retention} from './streams/retention.ts'
import {rollup} from './streams/rollup.ts'
import {sharing} from './streams/sharing.ts'
import {storing} from './streams/storing.ts'
import {ttl} from './streams/ttl.ts'
import {volume} from './volume.ts'

const features: readonly Case[] = [
  {
    name: 'the driver declares its features',
    async run(scene) {
      const bus = await scene.connect()
      expect(bus.features).toEqual(scene.features)
      expect(bus.maxPayload).toBeGreaterThanOrEqual(1024 * 1024)
      expect(bus.url).not.toBe('')
    },
  },
  {
    name: 'a bus reports its software and its round-trip time, after earlier publishes',
    async run(scene) {
      const [bus, other] = [await scene.connect(), await scene.connect()]
      const subscription = await other.subscribe('a')
      bus.publish({subject: 'a', data: 'before'})
      const {software, roundTripsMs} = await scene.within(bus.facts(), 'facts')
      expect(software).toMatch(/^\S+$/)
      expect(roundTripsMs.length).toBeGreaterThan(1)
      for (const ms of roundTripsMs) expect(ms).toBeGreaterThan(0)
      expect((await scene.take(subscription, 1)).map(({text}) => text)).toEqual(['before'])
    },
  },
]

export const topics: Readonly<Record<string, readonly Case[]>> = {
  features,
  'publish and subscribe': publishSubscribe,
  payloads,
  'queue groups': queues,
  interests,
  requests,
  'many replies': replies,
  lifecycle,
  refusals,
  volume,
  'streams: making': making,
  'streams: catalogue': catalogue,
  'streams: purging': purging,
  'streams: storing': storing,
  'streams: publishers': publishers,
  'streams: batches': batches,
  'streams: reading': reading,
  'streams: following': following,
  'streams: limits': limits,
  'streams: changing': changing,
  'streams: rollup': rollup,
  'streams: retention': retention,
  'streams: TTL': ttl,
  'streams: consumers': consumers,
  'streams: failing': failing,
  'streams: delivering': delivering,
  'streams: acknowledging': acknowledging,
  'streams: redelivery': redelivery,
  'streams: sharing': sharing,
  'streams: resetting': resetting,
  'streams: snapshots': snapshots,
}

export type {Bus, Harness} from './scene.ts'

/** Registers the whole suite for one driver. */
export function conformance(name: string, harness: Harness): void {
  describe(`${name} fulfils the contract:`, () => {
    for (const [topic, cases] of Object.entries(topics)) {
      describe(topic, () => {
        for (const each of cases) {
          const lacking = harness.lacking?.[each.name] ?? ''
          const isSkipped = lacking !== '' || !isMet(each.needs, harness.features)
          test.skipIf(isSkipped)(`${each.name}${lacking}`, () => play(each, harness))
        }
      })
    }
  })
}

/** Runs one case on a new bus; no single wait takes longer than `patienceMs`. */
export async function play(each: Case, harness: Harness, patienceMs = 10_000): Promise<void> {
  const scene = new Scene(harness, patienceMs)
  try {
    await each.run(scene)
    await scene.end()
  } finally {
    await scene.abandon()
  }
}

/** Whether a driver with these features has to pass a case that needs those. */
export function isMet(needs: Partial<Features> = {}, has: Features): boolean {
  return Object.entries(needs).every(([name, value]) => has[name as keyof Features] === value)
}
