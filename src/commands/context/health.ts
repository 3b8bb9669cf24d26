/** What `context check` tells of a bus. */

import {formatBytes, formatCount, formatDuration} from '../../lib/cli/render/units.ts'
import type {Facts, JetStreamFacts, Transport, Usage} from '../../lib/transport/contract.ts'

/** What `context check --json` prints. */
export interface Health extends Omit<Facts, 'roundTripsMs'> {
  readonly url: string
  readonly roundTripMs: {readonly min: number; readonly median: number}
  /** The largest payload in bytes. */
  readonly maxPayload: number
}

/** Asks a bus how it is. */
export async function healthOf(bus: Transport): Promise<Health> {
  const {roundTripsMs, ...facts} = await bus.facts()
  const sorted = [...roundTripsMs].sort((a, b) => a - b).map((ms) => Math.round(ms * 1000) / 1000)
  const [min = 0, median = 0] = [sorted[0], sorted[Math.floor(sorted.length / 2)]]
  return {url: bus.url, ...facts, roundTripMs: {min, median}, maxPayload: bus.maxPayload}
}

/** The same for people, by name. */
export function healthFacts(health: Health): Record<string, string | undefined> {
  const {url, software, version, server, cluster, roundTripMs, maxPayload, bytes, messages, jetstream} = health
  const names = [server, cluster === undefined ? undefined : `cluster ${cluster}`].filter(Boolean).join(', ')
  return {
    bus: url,
    software: [software, version].filter(Boolean).join(' '),
    server: names === '' ? undefined : names,
    'round trip': `${formatDuration(roundTripMs.median)} (median), ${formatDuration(roundTripMs.min)} at best`,
    payload: `up to ${formatBytes(maxPayload)}`,
    file: bytes === undefined ? undefined : formatBytes(bytes),
    messages: messages === undefined ? undefined : formatCount(messages),
    ...(jetstream === undefined
      ? {}
      : 'missing' in jetstream
        ? {JetStream: jetstream.missing}
        : jetStreamLines(jetstream)),
  }
}

function jetStreamLines({streams, consumers, storage, memory}: JetStreamFacts): Record<string, string> {
  return {
    JetStream: `${of(streams, formatCount)} streams, ${of(consumers, formatCount)} consumers`,
    storage: `${of(storage, formatBytes)} on disk, ${of(memory, formatBytes)} in memory`,
  }
}

/** `3 of 10`; without a limit `3`. */
function of({used, limit}: Usage, format: (value: number) => string): string {
  return limit === undefined ? format(used) : `${format(used)} of ${format(limit)}`
}
