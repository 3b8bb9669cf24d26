/** Drafts a first check file from what is found on a bus. */

import {stringify} from 'yaml'
import {isFailure} from '../core/errors.ts'
import {type Message, serviceError} from '../core/message.ts'
import {hasWildcard} from '../core/subject.ts'
import {objectIn} from '../core/text/json-text.ts'
import {discoverServices, endpointSubjects} from '../messaging/service-discovery.ts'
import type {Transport} from '../transport/contract.ts'
import type {CheckShape} from './shape.ts'

export interface Findings {
  /** Subjects of announced services, without duplicates. */
  readonly served: readonly string[]
  readonly streams: readonly FoundStream[]
  /** Requests that were sent, with their replies. */
  readonly answered: readonly AnsweredRequest[]
  /** Sentences about streams that could not be examined. */
  readonly unknown: readonly string[]
}

export interface FoundStream {
  readonly name: string
  readonly subjects: readonly string[]
  readonly consumers: readonly {readonly name: string; readonly lag: number}[]
}

export interface AnsweredRequest {
  readonly subject: string
  readonly reply: Message
}

interface DiscoveryBounds {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

const mostServed = 20
const mostStreams = 10
const mostConsumers = 5

/** Looks for services, streams and consumers. Sends an empty request to each of `subjects`, and fails as that request does. */
export async function discoverBus(
  bus: Transport,
  subjects: readonly string[],
  bounds: DiscoveryBounds,
): Promise<Findings> {
  const answered: AnsweredRequest[] = []
  for (const subject of subjects) answered.push({subject, reply: await bus.request({subject}, bounds)})
  const served = (await servedSubjects(bus, bounds)).filter((subject) => !subjects.includes(subject))
  return {answered, served: served.slice(0, mostServed), ...(await findStreams(bus))}
}

async function servedSubjects(bus: Transport, bounds: DiscoveryBounds): Promise<string[]> {
  try {
    const subjects = (await discoverServices(bus, bounds)).flatMap(endpointSubjects)
    return [...new Set(subjects.filter((subject) => !hasWildcard(subject)))].sort()
  } catch (error) {
    if (isNone(error)) return []
    throw error
  }
}

/** All streams but those that serve the server itself, such as the ones of key-value buckets. */
async function findStreams(bus: Transport): Promise<Pick<Findings, 'streams' | 'unknown'>> {
  if (!bus.features.streams) return {streams: [], unknown: []}
  const unreachable: string[] = []
  const unknown = new Set<string>()
  const options = {onUnreachable: (names: readonly string[]) => unreachable.push(...names)}
  const orNone = async <T>(list: Promise<readonly T[]>): Promise<readonly T[]> => {
    try {
      return await list
    } catch (error) {
      if (!isNone(error)) throw error
      if (isFailure(error, 'timeout')) unknown.add(error.message)
      return []
    }
  }
  const found = (await orNone(bus.streams.list(options))).filter(({config}) => !/^(KV|OBJ|MQTT)_|^\$/.test(config.name))
  const streams = await Promise.all(
    found.slice(0, mostStreams).map(async ({config: {name, subjects}}) => {
      const durable = (await orNone(bus.streams.consumers.list(name, options))).filter(({config}) => config.durable)
      const lags = durable.map(({config, pending, ackPending}) => ({name: config.name, lag: pending + ackPending}))
      return {name, subjects, consumers: lags.slice(0, mostConsumers)}
    }),
  )
  if (unreachable.length > 0) unknown.add(`no server responds for ${unreachable.sort().join(', ')}`)
  return {streams, unknown: [...unknown]}
}

/** There is nothing to check: no JetStream, no permission to ask, or no services. */
function isNone(error: unknown): boolean {
  return isFailure(error, 'noResponders', 'notFound', 'denied', 'timeout')
}

export type Draft = readonly CheckShape[]

/** How many members of a reply get a line each. */
const mostMembers = 5
/** The least lag that a drafted check allows; otherwise twice the current lag. */
const leastLag = 100

export function draftOf({answered, served, streams}: Findings): Draft {
  return [roundTrip, ...answered.map(requestCheck), ...served.map(interestCheck), ...streams.flatMap(streamChecks)]
}

/** The text of the file. */
export function draftText(name: string, checks: Draft): string {
  const yaml = stringify({name, vars: {run: '{id}'}, checks}, {lineWidth: 0})
  return `${head}\n${yaml.replace(/\n(?= {2}- name:)/g, '\n\n').replace('checks:\n\n', 'checks:\n')}`
}

const head = [
  '# bus check FILE runs it; --bus or --context chooses the bus. Exit codes: 0 all passed, 9 some did not, 3 no bus.',
  '# For completion in an editor: bus check --schema > check.schema.json',
].join('\n')

const roundTrip: CheckShape = {
  name: 'messages are delivered',
  messages: {
    subject: 'bus.check.{run}',
    exactly: 1,
    do: [{pub: {subject: 'bus.check.{run}', json: {hello: 'checks'}}}],
  },
  expect: 'json.hello = "checks"',
}

function requestCheck({subject, reply}: AnsweredRequest): CheckShape {
  const failed = serviceError(reply) !== undefined
  const members = failed ? [] : memberNames(reply.text).slice(0, mostMembers)
  return {
    name: `${subject} answers`,
    req: {subject},
    expect: failed
      ? ['status = "error"']
      : ['status = "ok"', ...members.map((member) => `$exists(json.\`${member}\`)`.replace(/`(\w+)`/, '$1'))],
  }
}

function interestCheck(subject: string): CheckShape {
  return {name: `${subject} is served`, interest: {subject}}
}

function streamChecks({name, subjects, consumers}: FoundStream): CheckShape[] {
  return [
    {name: `stream ${name}`, stream: {name, subjects: [...subjects]}},
    ...consumers.map(({name: consumer, lag}) => ({
      name: `consumer ${consumer} of ${name} keeps up`,
      consumer: {stream: name, name: consumer, 'max-lag': Math.max(leastLag, lag * 2)},
    })),
  ]
}

function memberNames(text: string): string[] {
  return Object.keys(objectIn(text) ?? {}).filter((key) => /^[\w-]+$/.test(key))
}
