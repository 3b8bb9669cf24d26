import type {Job, Role} from '../../lib/bench/job.ts'
import {stampBytes} from '../../lib/bench/payload.ts'
import type {benchFlags} from '../../lib/cli/flags/bench.ts'
import type {bodyFlags} from '../../lib/cli/flags/body.ts'
import type {consumerFlags} from '../../lib/cli/flags/consumer.ts'
import type {FlagValues} from '../../lib/cli/flags/kinds.ts'
import type {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import type {streamFlags} from '../../lib/cli/flags/stream.ts'
import {formatBytes} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {checkSubject} from '../../lib/core/subject.ts'

export type BenchFlags = FlagValues<
  typeof benchFlags & Pick<typeof pacingFlags, 'rate' | 'window' | 'for'> & Pick<typeof bodyFlags, 'size'>
> &
  FlagValues<Pick<typeof consumerFlags, 'ack'> & Pick<typeof streamFlags, 'durable'>> & {
    readonly subject?: string | undefined
    readonly stream?: string | undefined
    readonly timeout: number
  }

export interface BenchPlan {
  readonly role: Role
  /** What all clients share. */
  readonly common: Omit<Job, 'role' | 'count' | 'rate'>
  readonly receivers: readonly Job[]
  readonly senders: readonly Job[]
  /** The requested rate of all clients together, per second. */
  readonly asked?: number | undefined
  /** Messages of all senders; absent if time ends the run. */
  readonly total?: number | undefined
}

/** The roles that send, and how many by default; the others wait for messages. */
const defaultCounts: Readonly<Partial<Record<Role, number>>> = {pub: 100_000, req: 10_000, open: 100, rpc: 10_000}
const defaultSize = 128
const defaultBatch = 1000
/** Bytes to publish at a time by default: all messages of a batch wait in memory. */
const batchBytes = 8 * 1024 * 1024
/** Calls in flight at a given rate, where each is sent when due, even if earlier ones are not answered. */
const openWindow = 1000

function batchOf(size: number): number {
  return Math.max(1, Math.min(defaultBatch, Math.floor(batchBytes / size)))
}

/** Turns flags into a job for each client. Throws `usage`. */
export function planBench(role: Role, flags: BenchFlags): BenchPlan {
  const {subject = 'bench', size = defaultSize, clients = 1, rate, subjects = 1, ack = false, stream, durable} = flags
  checkSubject(subject)
  const stamped = flags['with-sub'] ?? false
  if (stamped && size < stampBytes) {
    const sentence = `--with-sub needs messages of at least ${formatBytes(stampBytes)}, to hold a timestamp`
    throw new BusError('usage', sentence, {try: [`--size ${stampBytes}`]})
  }
  const total = flags.msgs ?? (flags.for === undefined ? defaultCounts[role] : undefined)
  if (total !== undefined && total < clients) {
    const sentence = `${clients} clients cannot share ${total} messages`
    throw new BusError('usage', sentence, {try: [`--clients ${total}`, 'more --msgs']})
  }
  const isOneByOne = role === 'req' || role === 'rpc' || role === 'open'
  const window = flags.window ?? (isOneByOne && rate === undefined ? 1 : openWindow)
  const batch = isOneByOne ? 1 : (flags.batch ?? (role === 'pub' ? batchOf(size) : defaultBatch))
  const common = {
    ...{subject, subjects, size, stamped, ack, stream, durable, batch, window},
    ...{forMs: flags.for, timeoutMs: flags.timeout, frames: flags.frames ?? 1},
  }
  const isShared = defaultCounts[role] !== undefined || role === 'serve' || durable !== undefined
  const mine = Array.from({length: clients}, (_, index): Job => {
    const count = total === undefined || !isShared ? total : shareOf(total, clients, index)
    return {...common, role, count, rate: rate === undefined ? undefined : rate / clients}
  })
  if (role === 'sub' || role === 'serve') return {role, common, receivers: mine, senders: [], total}
  return {
    role,
    common,
    receivers: otherSide(role, flags, {...common, forMs: undefined}, total),
    senders: mine,
    asked: rate,
    total,
  }
}

function otherSide(
  role: Role,
  flags: BenchFlags,
  common: BenchPlan['common'],
  total: number | undefined,
): readonly Job[] {
  if (flags['with-sub']) return [{...common, role: 'sub', count: total}]
  if (flags['with-serve']) return [{...common, role: 'serve', callers: role}]
  return []
}

function shareOf(total: number, clients: number, index: number): number {
  return Math.floor(total / clients) + (index < total % clients ? 1 : 0)
}
