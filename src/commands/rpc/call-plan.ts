/** `rpc call`: from flags to the methods to call, and to their answers. */

import {bodyFlags, expect} from '../../lib/cli/flags/body.ts'
import {timeoutFlag} from '../../lib/cli/flags/global.ts'
import {type FlagValues, text, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {instance, prefix} from '../../lib/cli/flags/rpc.ts'
import {replyViewFlags} from '../../lib/cli/flags/view.ts'
import {readBody} from '../../lib/cli/io/input.ts'
import type {Output} from '../../lib/cli/io/output.ts'
import type {ReplyView} from '../../lib/cli/render/reply-view.ts'
import {BusError} from '../../lib/core/errors.ts'
import {Message} from '../../lib/core/message.ts'
import {reworded} from '../../lib/core/rewording.ts'
import {checkPattern, hasWildcard} from '../../lib/core/subject.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {compileExpectations, type Judge} from '../../lib/messaging/pubsub/expect.ts'
import {type Answered, call, RpcError} from '../../lib/protocols/loom-rpc/call.ts'
import {discover, instancesOf} from '../../lib/protocols/loom-rpc/discover.ts'
import {defaultPrefix, type Method, parseSubject, subject, wildcardSubject} from '../../lib/protocols/loom-rpc/names.ts'
import type {Transport} from '../../lib/transport/contract.ts'

export const callFlags = {
  timeout: timeoutFlag(30_000),
  instance: variant(instance, {exclusive: ['any', 'all']}),
  any: toggle('discover an instance and call it', {exclusive: ['all']}),
  all: toggle('call every available instance'),
  prefix: prefix,
  caller: text('name of the caller (default: busline)', '<id>'),
  'trace-id': text('trace id of the call (default: a new one)', '<id>'),
  file: variant(bodyFlags.file, {description: 'read the payload from this file'}),
  envelope: toggle('show the whole envelope, not only the payload'),
  ...replyViewFlags,
  expect,
}

export type CallFlags = FlagValues<typeof callFlags> & {
  /** SUBJECT [PAYLOAD], or SERVICE METHOD [PAYLOAD]. */
  readonly words: readonly string[]
  readonly json?: boolean | undefined
  readonly timeout: number
}

export interface CallPlan {
  readonly prefix: string
  readonly method: Method
  /** The subject to call; undefined if instances must be discovered first. */
  readonly subject: string | undefined
  readonly payload: string | undefined
  readonly callerId: string
  readonly traceId: string
  readonly judge: Judge
}

/** Checks arguments and flags and reads the payload before a bus is opened. Fails with `usage`. */
export async function planCall(flags: CallFlags, signal: AbortSignal): Promise<CallPlan> {
  const {prefix = defaultPrefix} = flags
  const {target, body} = targetOf(flags, prefix)
  const judge = await compileExpectations(flags.expect ?? [], target.subject ?? target.method.method)
  const payload = jsonPayload(await readBody({body, file: flags.file}, signal))
  const {caller: callerId = 'busline', 'trace-id': traceId = crypto.randomUUID()} = flags
  return {prefix, ...target, payload, callerId, traceId, judge}
}

export interface CallRun {
  readonly flags: CallFlags
  readonly show: ReplyView
  readonly output: Output
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

/** Calls one instance or all, shows the answers as they arrive and judges them. Fails as the first failed call. */
export async function runCall(bus: Transport, plan: CallPlan, run: CallRun): Promise<void> {
  const subjects = plan.subject === undefined ? await findSubjects(bus, plan, run) : [plan.subject]
  const captured = new Set<string>()
  const onCaptured = (stream: string) => {
    if (!captured.has(stream)) run.say(capturedLine(stream, subjects[0] ?? ''))
    captured.add(stream)
  }
  const answers: {message: Message; ms: number}[] = []
  const failures: unknown[] = []
  const {payload, callerId, traceId, method} = plan
  const one = async (subject: string) => {
    const {flags, signal} = run
    const request = {method: method.method, callerId, payload, traceId}
    try {
      const answered = await call(bus, {subject, ...request, timeoutMs: flags.timeout, signal, onCaptured})
      const answer = {message: shownMessage(answered, subject, flags), ms: answered.ms}
      answers.push(answer)
      await run.show(answer, run.output)
    } catch (error) {
      failures.push(error)
      if (flags.envelope && error instanceof RpcError) await run.show({message: error.reply, ms: 0}, run.output)
    }
    await run.output.ready()
  }
  await Promise.all(subjects.map(one))
  if (failures.length > 0) throw subjects.length === 1 ? failures[0] : ofMany(failures, subjects.length)
  await plan.judge(answers)
}

function targetOf({words, instance, any, all}: CallFlags, prefix: string) {
  const [first = '', second, third] = words
  if (!first.includes('.')) {
    if (second === undefined)
      throw new BusError('usage', 'METHOD is missing', {try: [`bus rpc call ${shellWord(first)} task.assign`]})
    const method = {service: first, instance: instance ?? '*', method: second}
    const known = instance === undefined ? undefined : subject(method, prefix)
    wildcardSubject(method, prefix)
    return {target: {method, subject: known}, body: third}
  }
  if (third !== undefined) throw new BusError('usage', `a subject is followed by one payload, not two arguments`)
  checkPattern(first)
  const method = parseSubject(first, prefix) ?? {service: '', instance: '', method: first.split('.').at(-1) ?? ''}
  const isExact = !hasWildcard(first)
  if (isExact && (instance !== undefined || any || all)) {
    throw new BusError('usage', `the subject "${first}" already names an instance`, {
      try: [`bus rpc call ${shellWord(first)}`],
    })
  }
  if (!isExact && method.instance !== '*') {
    throw new BusError('usage', `"${first}" is not a method pattern`, {try: [`${prefix}.SERVICE.*.METHOD`]})
  }
  return {target: {method, subject: isExact ? first : instance && subject({...method, instance}, prefix)}, body: second}
}

/** The subjects of all discovered instances, or of one of them with `--any`. */
async function findSubjects(bus: Transport, {method, prefix}: CallPlan, {flags, signal}: CallRun): Promise<string[]> {
  const found = instancesOf(await discover(bus, {prefix, signal}), method)
  const pattern = wildcardSubject(method, prefix)
  if (!flags.any && !flags.all) throw noFanOut(pattern, found)
  if (found.length === 0) {
    throw new BusError('noResponders', `found no instance that serves "${pattern}" on ${bus.url}`, {
      try: ['bus rpc ls', '--instance ID, for an instance that does not announce itself'],
    })
  }
  const chosen = flags.all ? found : [found[Math.floor(Math.random() * found.length)] ?? '']
  return chosen.map((instance) => subject({...method, instance}, prefix))
}

function noFanOut(pattern: string, instances: readonly string[]): BusError {
  const found = instances.length === 0 ? 'no instance was found' : `instances: ${instances.join(', ')}`
  const sentence = `a call needs --instance, --any or --all: "${pattern}" reaches none, because a wildcard subject is not expanded; ${found}`
  const first = `--instance ${shellWord(instances[0] ?? 'ID')}`
  return new BusError('usage', sentence, {try: [first, '--any', '--all'], data: {instances}})
}

function jsonPayload(body: Uint8Array | string | undefined): string | undefined {
  if (body === undefined || body.length === 0) return undefined
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('utf8')
  try {
    JSON.parse(text)
    return text
  } catch (cause) {
    throw new BusError('usage', `the payload is not JSON: ${(cause as Error).message}`, {
      cause,
      try: [`'${JSON.stringify(text.slice(0, 40))}' for a string`],
    })
  }
}

/** The decoded payload as a message of the called subject, or the whole envelope. */
function shownMessage({payload = '', reply}: Answered, called: string, {envelope}: CallFlags): Message {
  return new Message(called, envelope ? reply.payload : payload, reply.headers, undefined, undefined, reply.time)
}

function capturedLine(stream: string, called: string): string {
  return `stream ${stream} captures "${called}": its acknowledgement is not an answer; still waiting for one`
}

function ofMany(failures: readonly unknown[], calls: number): unknown {
  const [first] = failures
  if (!(first instanceof BusError)) return first
  const sentence = `${failures.length} of ${calls} calls failed, the first: ${first.message}`
  return reworded(first, sentence, {failed: failures.length, calls})
}
