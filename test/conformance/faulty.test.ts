import {describe, expect, test} from 'vitest'
import type {Case} from './case.ts'
import {deliveryFaults} from './faults/delivery.ts'
import {interestFaults} from './faults/interests.ts'
import {lifecycleFaults} from './faults/lifecycle.ts'
import {messageFaults} from './faults/messages.ts'
import {queueFaults} from './faults/queues.ts'
import {requestFaults} from './faults/requests.ts'
import {snapshotFaults} from './faults/snapshots.ts'
import {changingFaults} from './faults/streams/changing.ts'
import {consumerFaults} from './faults/streams/consumers.ts'
import {failingFaults} from './faults/streams/failing.ts'
import {memberFaults} from './faults/streams/members.ts'
import {readingFaults} from './faults/streams/reading.ts'
import {retentionFaults} from './faults/streams/retention.ts'
import {storingFaults} from './faults/streams/storing.ts'
import {streamFaults} from './faults/streams/streams.ts'
import {type Fault, memoryWith} from './faulty.ts'
import {isMet, play, topics} from './suite.ts'

/** Long enough for every case on a correct driver, as the first test shows: redeliveries take time. */
const patienceMs = {plain: 300, streams: 700}

const faults: readonly Fault[] = [
  ...messageFaults,
  ...deliveryFaults,
  ...queueFaults,
  ...interestFaults,
  ...requestFaults,
  ...lifecycleFaults,
  ...streamFaults,
  ...storingFaults,
  ...readingFaults,
  ...changingFaults,
  ...consumerFaults,
  ...memberFaults,
  ...failingFaults,
  ...snapshotFaults,
  ...retentionFaults,
]
const cases = new Map(Object.values(topics).flatMap((each) => each.map((one) => [one.name, one] as const)))

function patience(each: Case): number {
  return each.needs?.streams === true ? patienceMs.streams : patienceMs.plain
}

/** Runs each case again by itself, because a stalled machine may exceed the time limit. */
async function calm(each: Case, tries = 5): Promise<void> {
  try {
    await play(each, memoryWith(), patience(each))
  } catch (error) {
    if (tries === 1) throw error
    await calm(each, tries - 1)
  }
}

function caseOf(name: string): Case {
  const found = cases.get(name)
  if (found === undefined) throw new Error(`no case is called ${JSON.stringify(name)}`)
  return found
}

describe('the conformance suite', () => {
  test('passes a driver without faults, even with short timeouts', {timeout: 240_000}, async () => {
    for (const each of cases.values()) if (isMet(each.needs, memoryWith().features)) await calm(each)
  })

  for (const fault of faults) {
    test(`detects a driver that ${fault.name}`, async () => {
      for (const name of fault.fails) {
        const each = caseOf(name)
        const failure = await play(each, memoryWith(fault), patience(each)).catch((error: unknown) => error)
        expect(failure, `"${name}" passed`).toBeInstanceOf(Error)
        expect(failure, 'the faulty driver has a fault of its own').not.toBeInstanceOf(TypeError)
      }
    })
  }

  test('has no case that never fails', () => {
    const bitten = new Set(faults.flatMap((fault) => fault.fails))
    expect([...cases.keys()].filter((name) => !bitten.has(name))).toEqual([])
  })

  test('gives each case and each fault its own name', () => {
    expect(cases.size).toBe(Object.values(topics).flat().length)
    expect(new Set(faults.map((fault) => fault.name)).size).toBe(faults.length)
  })
})
