/** Checks of the state of a bus: `stream`, `consumer`, `kv`, `interest`. */

import {BusError, isFailure} from '../../core/errors.ts'
import {checkSubject, matches} from '../../core/subject.ts'
import {counted, formatCount} from '../../core/text/count.ts'
import {contextOf} from '../../core/text/jsonata.ts'
import {isoTime} from '../../core/time/timestamp.ts'
import {discoverServices, endpointSubjects} from '../../messaging/service-discovery.ts'
import type {Transport} from '../../transport/contract.ts'
import type {ConsumerInfo, StreamInfo} from '../../transport/streams-contract.ts'
import {type CheckEnvironment, type CheckOutcome, msOf} from '../check.ts'
import type {Shapes} from '../shape.ts'

export async function checkStream(spec: Shapes['stream'], {bus, variables}: CheckEnvironment): Promise<CheckOutcome> {
  const {name, subjects, fresh, 'at-least': least, 'at-most': most, ...copies} = variables.json(spec)
  const info = await bus.streams.info(name)
  const {config, created, state, leader} = info
  const {firstTime, lastTime, messages} = state
  const ageMs = lastTime === undefined ? undefined : Date.now() - lastTime
  const misses: string[] = []
  if (subjects !== undefined && [...subjects].sort().join(' ') !== [...config.subjects].sort().join(' '))
    misses.push(`${name} stores ${config.subjects.join(' ')}, not ${subjects.join(' ')}`)
  if (fresh !== undefined && ageMs === undefined) misses.push(`${name} has no messages, so none within ${fresh}`)
  else if (fresh !== undefined && (ageMs ?? 0) > msOf(fresh))
    misses.push(`the last message of ${name} is ${Math.round(ageMs ?? 0)} ms old, more than ${fresh}`)
  if (least !== undefined && messages < least)
    misses.push(`${name} has ${counted(messages, 'message')}, fewer than ${formatCount(least)}`)
  if (most !== undefined && messages > most)
    misses.push(`${name} has ${counted(messages, 'message')}, more than ${formatCount(most)}`)
  misses.push(...copyMisses(info, copies))
  const times = {firstTime: optionalTime(firstTime), lastTime: optionalTime(lastTime)}
  return {result: {config, created: isoTime(created), leader, state: {...state, ...times}, ageMs}, misses}
}

/** What is wrong with the copies of a stream, and with those that it makes of others. */
function copyMisses(
  {config: {name}, peers = [], origins = []}: StreamInfo,
  {'mirror-lag': mostLag, replicas}: Pick<Shapes['stream'], 'mirror-lag' | 'replicas'>,
): readonly string[] {
  const misses: string[] = []
  const current = 1 + peers.filter(({state}) => state === 'current').length
  if (replicas !== undefined && current < replicas)
    misses.push(
      `${current} of the servers with ${name} ${current === 1 ? 'is' : 'are'} current, fewer than ${replicas}`,
    )
  if (mostLag === undefined) return misses
  if (origins.length === 0) misses.push(`${name} copies no other stream`)
  for (const {stream, lag, silentMs} of origins) {
    if (silentMs === undefined) misses.push(`${name} never heard from ${stream}`)
    else if (lag > mostLag) misses.push(`${name} is ${counted(lag, 'message')} behind ${stream}, more than ${mostLag}`)
  }
  return misses
}

export async function checkConsumer(
  spec: Shapes['consumer'],
  {bus, variables}: CheckEnvironment,
): Promise<CheckOutcome> {
  const {stream, name, active, paused, failed: mostFailed, ...most} = variables.json(spec)
  const {'max-lag': mostLag, 'max-redelivered': mostRedelivered} = most
  const info = await bus.streams.consumers.info(stream, name)
  const {pending, ackPending, redelivered, lastActive} = info
  const lag = pending + ackPending
  const idleMs = lastActive === undefined ? undefined : Date.now() - lastActive
  const misses: string[] = []
  if (mostLag !== undefined && lag > mostLag)
    misses.push(
      `the lag of ${name} is ${lag}, more than ${mostLag}: ${pending} pending, ${ackPending} not acknowledged`,
    )
  if (mostRedelivered !== undefined && redelivered > mostRedelivered)
    misses.push(`${name} has ${counted(redelivered, 'redelivered message')}, more than ${mostRedelivered}`)
  const failed = mostFailed === undefined ? undefined : await countFailed(bus, info, mostFailed)
  if (failed !== undefined && failed.count > (mostFailed ?? 0))
    misses.push(
      `${name} has ${failed.isAll ? '' : 'at least '}${counted(failed.count, 'failed message')}, more than ${mostFailed}`,
    )
  const {pausedUntil} = info
  if (paused !== undefined && paused !== (pausedUntil !== undefined))
    misses.push(`${name} is ${pausedUntil === undefined ? 'not paused' : `paused until ${isoTime(pausedUntil)}`}`)
  if (active !== undefined && idleMs === undefined) misses.push(`${name} was never active`)
  else if (active !== undefined && (idleMs ?? 0) > msOf(active))
    misses.push(`${name} was last active ${Math.round(idleMs ?? 0)} ms ago, more than ${active}`)
  const times = {created: isoTime(info.created), lastActive: optionalTime(lastActive)}
  return {result: {...info, ...times, lag, idleMs, failed: failed?.count}, misses}
}

/** Counts failed messages until there are too many. */
async function countFailed(
  bus: Transport,
  info: ConsumerInfo,
  most: number,
): Promise<{readonly count: number; readonly isAll: boolean}> {
  const {failedList} = await import('../../messaging/stored/failed.ts')
  await using list = await failedList(bus, info)
  let count = 0
  for (;;) {
    const {length} = await list.next()
    if (length === 0) return {count, isAll: true}
    count += length
    if (count > most) return {count, isAll: false}
  }
}

/** A key without a value is `not-found`, which expressions can judge. */
export async function checkKv(spec: Shapes['kv'], {bus, variables, saw}: CheckEnvironment): Promise<CheckOutcome> {
  const {bucket: name, key, fresh, absent} = variables.json(spec)
  const [{Bucket}, {checkBucketName, checkKey}] = await Promise.all([
    import('../../messaging/kv/bucket.ts'),
    import('../../messaging/kv/names.ts'),
  ])
  const entry = await new Bucket(bus.streams, checkBucketName(name)).get(checkKey(key))
  if (entry === undefined && absent) return {result: {bucket: name, key}}
  if (entry === undefined)
    return {
      result: {bucket: name, key},
      error: new BusError('notFound', `the bucket ${name} has no value for the key ${key}`),
    }
  const {message, revision} = entry
  saw(message)
  const ageMs = Date.now() - message.time
  const misses: string[] = []
  if (absent) misses.push(`the key ${key} of ${name} has a value, of revision ${revision}`)
  if (fresh !== undefined && ageMs > msOf(fresh))
    misses.push(`the value of ${key} in ${name} is ${Math.round(ageMs)} ms old, more than ${fresh}`)
  return {result: {...contextOf(message), bucket: name, key, revision, ageMs}, message, misses}
}

/** How long to wait for services to announce themselves. */
const announceMs = 500
/** How long to wait for a probe to be refused. */
const probeMs = 1000

/** The description in shape.ts says what each bus can tell. */
export async function checkInterest(spec: Shapes['interest'], environment: CheckEnvironment): Promise<CheckOutcome> {
  const {bus, signal} = environment
  const subject = checkSubject(environment.variables.text(spec.subject))
  const timeoutMs = Math.min(announceMs, environment.waitMs(spec.within))
  const interests = await bus.interests?.(subject, {timeoutMs, idleMs: 200, signal})
  const patterns = [...new Set(interests && 'known' in interests ? interests.known.map(({pattern}) => pattern) : [])]
  if (patterns.length > 0) return {result: {by: 'interest', patterns, services: []}}
  const isKnown = interests !== undefined && 'known' in interests
  const nobody = `nobody listens to "${subject}" on ${bus.url}`
  if (isKnown && interests.unseen === undefined)
    return {result: {services: []}, error: new BusError('noResponders', nobody)}
  const announced = await discoverServices(bus, {timeoutMs, idleMs: 200, signal})
  const services = announced
    .filter((service) => endpointSubjects(service).some((pattern) => matches(pattern, subject)))
    .map(({name, id, version}) => ({name, id, version}))
  if (services.length > 0) return {result: {by: 'service', services}}
  if (spec.probe) return await probe(subject, spec, environment)
  const sentence = isKnown ? nobody : `no service announces "${subject}" on ${bus.url}`
  const hint = 'probe: true, which sends an empty request'
  return {result: {services}, error: new BusError('noResponders', sentence, {try: [hint]})}
}

async function probe(
  subject: string,
  spec: Shapes['interest'],
  {bus, waitMs, signal, saw}: CheckEnvironment,
): Promise<CheckOutcome> {
  const headers = bus.features.headers ? ([['Bus-Probe', 'interest']] as const) : []
  try {
    const reply = await bus.request({subject, headers}, {timeoutMs: waitMs(spec.within ?? `${probeMs}ms`), signal})
    saw(reply)
    return {result: {by: 'probe', answered: true, services: []}, message: reply}
  } catch (error) {
    // It was not refused, so someone has received it.
    const isThere = isFailure(error, 'timeout') && bus.features.noResponders
    if (isThere) return {result: {by: 'probe', answered: false, services: []}}
    throw error
  }
}

function optionalTime(timeMs: number | undefined): string | undefined {
  return timeMs === undefined ? undefined : isoTime(timeMs)
}
