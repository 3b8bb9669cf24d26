/** Checks of what a bus has: `stream`, `consumer`, `interest`. */
import {BusError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {checkSubject, matches} from '../../core/subject.ts'
import type {Transport} from '../../transport/contract.ts'
import type {Ground, Outcome} from '../environment.ts'
import {msOf} from '../file.ts'
import type {Shapes} from '../shape.ts'

export async function checkStream(spec: Shapes['stream'], {bus, variables}: Ground): Promise<Outcome> {
  const {name, subjects, fresh, 'at-least': least, 'at-most': most} = variables.json(spec)
  const {config, created, state, leader} = await bus.streams.info(name)
  const {firstTime, lastTime, messages} = state
  const ageMs = lastTime === undefined ? undefined : Date.now() - lastTime
  const misses: string[] = []
  if (subjects !== undefined && [...subjects].sort().join(' ') !== [...config.subjects].sort().join(' '))
    misses.push(`${name} keeps ${config.subjects.join(' ')}, not ${subjects.join(' ')}`)
  if (fresh !== undefined && ageMs === undefined) misses.push(`${name} has no message, so none of the last ${fresh}`)
  else if (fresh !== undefined && (ageMs ?? 0) > msOf(fresh))
    misses.push(`the last message of ${name} is ${Math.round(ageMs ?? 0)} ms old, over ${fresh}`)
  if (least !== undefined && messages < least) misses.push(`${name} has ${messages} messages, fewer than ${least}`)
  if (most !== undefined && messages > most) misses.push(`${name} has ${messages} messages, more than ${most}`)
  const times = {firstTime: iso(firstTime), lastTime: iso(lastTime)}
  return {result: {config, created: iso(created), leader, state: {...state, ...times}, ageMs}, misses}
}

export async function checkConsumer(spec: Shapes['consumer'], {bus, variables}: Ground): Promise<Outcome> {
  const {stream, name, active, 'max-lag': mostLag, 'max-redelivered': mostRedelivered} = variables.json(spec)
  const info = await bus.streams.consumers.info(stream, name)
  const {pending, ackPending, redelivered, lastActive} = info
  const lag = pending + ackPending
  const idleMs = lastActive === undefined ? undefined : Date.now() - lastActive
  const misses: string[] = []
  if (mostLag !== undefined && lag > mostLag)
    misses.push(`${name} lags by ${lag} messages, over ${mostLag}: ${pending} pending, ${ackPending} not acknowledged`)
  if (mostRedelivered !== undefined && redelivered > mostRedelivered)
    misses.push(`${redelivered} messages of ${name} are redelivered, over ${mostRedelivered}`)
  if (active !== undefined && idleMs === undefined) misses.push(`${name} was never active`)
  else if (active !== undefined && (idleMs ?? 0) > msOf(active))
    misses.push(`${name} was last active ${Math.round(idleMs ?? 0)} ms ago, over ${active}`)
  const times = {created: iso(info.created), lastActive: iso(lastActive)}
  return {result: {...info, ...times, lag, idleMs}, misses}
}

/** How long services have to announce themselves, and a probe to be refused. */
const announceMs = 500
const probeMs = 1000

/** See the description in the shape for what each bus can tell. */
export async function checkInterest(spec: Shapes['interest'], ground: Ground): Promise<Outcome> {
  const {bus, signal} = ground
  const subject = checkSubject(ground.variables.text(spec.subject))
  const timeoutMs = Math.min(announceMs, ground.waitMs(spec.within))
  const listening = (await bus.interests?.())?.filter((pattern) => matches(pattern, subject))
  if (listening !== undefined && listening.length > 0)
    return {result: {by: 'interest', patterns: listening, services: []}}
  if (listening !== undefined)
    return {result: {services: []}, error: new BusError('noResponders', `nobody listens to "${subject}" on ${bus.url}`)}
  const services = await announced(bus, subject, {timeoutMs, signal})
  if (services.length > 0) return {result: {by: 'service', services}}
  if (spec.probe) return await probe(subject, spec, ground)
  const sentence = `no service announces "${subject}" on ${bus.url}`
  const hint = 'probe: true, which sends an empty request to whoever listens there'
  return {result: {services}, error: new BusError('noResponders', sentence, {try: [hint]})}
}

async function probe(subject: string, spec: Shapes['interest'], {bus, waitMs, signal, saw}: Ground): Promise<Outcome> {
  const headers = bus.features.headers ? ([['Bus-Probe', 'interest']] as const) : []
  try {
    const reply = await bus.request({subject, headers}, {timeoutMs: waitMs(spec.within ?? `${probeMs}ms`), signal})
    saw(reply)
    return {result: {by: 'probe', answered: true, services: []}, message: reply}
  } catch (error) {
    // Nobody refused it, so somebody has it.
    const isThere = error instanceof BusError && error.kind === 'timeout' && bus.features.noResponders
    if (isThere) return {result: {by: 'probe', answered: false, services: []}}
    throw error
  }
}

interface Announced {
  readonly name: unknown
  readonly id: unknown
  readonly version: unknown
}

/** The services with an endpoint for this subject (ADR-32). */
async function announced(
  bus: Transport,
  subject: string,
  bounds: {timeoutMs: number; signal: AbortSignal},
): Promise<Announced[]> {
  const found: Announced[] = []
  try {
    for await (const reply of bus.requestMany({subject: '$SRV.INFO'}, {...bounds, idleMs: 200})) {
      const {name, id, version, endpoints = []} = infoOf(reply)
      if (endpoints.some((endpoint) => typeof endpoint?.subject === 'string' && matches(endpoint.subject, subject)))
        found.push({name, id, version})
    }
  } catch (error) {
    if (!(error instanceof BusError && error.kind === 'noResponders')) throw error
  }
  return found
}

function infoOf(reply: Message): Partial<Announced> & {endpoints?: ({subject?: unknown} | null)[]} {
  try {
    const info: unknown = JSON.parse(reply.text)
    const isInfo = info !== null && typeof info === 'object' && Array.isArray((info as {endpoints?: unknown}).endpoints)
    return isInfo ? info : {}
  } catch {
    return {}
  }
}

function iso(timeMs: number | undefined): string | undefined {
  return timeMs === undefined ? undefined : new Date(timeMs).toISOString()
}
