/** A first check file, made of what was found on a bus. */
import {stringify} from 'yaml'
import {serviceError} from '../core/message.ts'
import type {Asked, Findings, FoundStream} from './service-info.ts'
import type {CheckShape} from './shape.ts'

export type Draft = readonly CheckShape[]

/** Members of a reply that are worth a line each. */
const mostMembers = 5
/** A consumer may lag by this, or by twice what it lags by now. */
const leastLag = 100

export function draftOf({asked, served, streams}: Findings): Draft {
  return [roundTrip, ...asked.map(requestCheck), ...served.map(interestCheck), ...streams.flatMap(streamChecks)]
}

/** The text of the file. */
export function draftText(name: string, checks: Draft): string {
  const yaml = stringify({name, vars: {run: '{id}'}, checks}, {lineWidth: 0})
  return `${head}\n${yaml.replace(/\n(?= {2}- name:)/g, '\n\n').replace('checks:\n\n', 'checks:\n')}`
}

const head = [
  '# Run it: bus check FILE, with --bus or --context for the bus. Exit codes: 0 all passed, 9 not all, 3 no bus.',
  '# For an editor that completes: bus check --schema > check.schema.json',
].join('\n')

const roundTrip: CheckShape = {
  name: 'messages come through',
  messages: {
    subject: 'bus.check.{run}',
    exactly: 1,
    do: [{pub: {subject: 'bus.check.{run}', json: {hello: 'checks'}}}],
  },
  expect: 'json.hello = "checks"',
}

function requestCheck({subject, reply}: Asked): CheckShape {
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
  try {
    const json: unknown = JSON.parse(text)
    const isObject = json !== null && typeof json === 'object' && !Array.isArray(json)
    return isObject ? Object.keys(json).filter((key) => /^[\w-]+$/.test(key)) : []
  } catch {
    return []
  }
}
