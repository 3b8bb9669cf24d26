import type {Job, Role} from '../../lib/bench/job.ts'
import {stampBytes} from '../../lib/bench/stamp.ts'
import {formatBytes} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {checkSubject} from '../../lib/core/subject.ts'

export interface BenchFlags {
  readonly subject?: string | undefined
  readonly stream?: string | undefined
  readonly msgs?: number | undefined
  readonly size?: number | undefined
  readonly clients?: number | undefined
  readonly rate?: number | undefined
  readonly subjects?: number | undefined
  readonly batch?: number | undefined
  readonly window?: number | undefined
  readonly for?: number | undefined
  readonly frames?: number | undefined
  readonly ack?: boolean | undefined
  readonly durable?: string | undefined
  readonly 'with-sub'?: boolean | undefined
  readonly 'with-serve'?: boolean | undefined
  readonly timeout: number
}

export interface BenchPlan {
  readonly role: Role
  /** What all clients have in common. */
  readonly common: Omit<Job, 'role' | 'count' | 'rate'>
  readonly listening: readonly Job[]
  readonly sending: readonly Job[]
  /** The whole rate that was asked for. */
  readonly asked?: number | undefined
  /** Messages of all who send; absent when time is what ends it. */
  readonly total?: number | undefined
}

/** Who begins something, and how many unless it is said or time ends it; the others wait for it. */
const defaultCounts: Readonly<Partial<Record<Role, number>>> = {pub: 100_000, req: 10_000, open: 100, rpc: 10_000}
const defaultSize = 128
const defaultBatch = 1000
/** As many as may be under way where each is sent when it is due, whatever became of those before. */
const openWindow = 1000

/** From flags to what each client does. Throws `usage`. */
export function planBench(role: Role, flags: BenchFlags): BenchPlan {
  const {subject = 'bench', size = defaultSize, clients = 1, rate, subjects = 1, ack = false, stream, durable} = flags
  checkSubject(subject)
  const stamped = flags['with-sub'] ?? false
  if (stamped && size < stampBytes) {
    const sentence = `--with-sub needs messages of ${formatBytes(stampBytes)} at least, which hold the time`
    throw new BusError('usage', sentence, {try: [`--size ${stampBytes}`]})
  }
  const total = flags.msgs ?? (flags.for === undefined ? defaultCounts[role] : undefined)
  if (total !== undefined && total < clients) {
    const sentence = `${clients} clients cannot share ${total} messages`
    throw new BusError('usage', sentence, {try: [`--clients ${total}`, 'more --msgs']})
  }
  const isOneByOne = role === 'req' || role === 'rpc' || role === 'open'
  const window = flags.window ?? (isOneByOne && rate === undefined ? 1 : openWindow)
  const batch = isOneByOne ? 1 : (flags.batch ?? defaultBatch)
  const common = {
    ...{subject, subjects, size, stamped, ack, stream, durable, batch, window},
    ...{forMs: flags.for, timeoutMs: flags.timeout, frames: flags.frames ?? 1},
  }
  const isShared = defaultCounts[role] !== undefined || role === 'serve' || durable !== undefined
  const mine = Array.from({length: clients}, (_, index): Job => {
    const count = total === undefined || !isShared ? total : shareOf(total, clients, index)
    return {...common, role, count, rate: rate === undefined ? undefined : rate / clients}
  })
  if (role === 'sub' || role === 'serve') return {role, common, listening: mine, sending: [], total}
  return {
    role,
    common,
    listening: otherSide(role, flags, {...common, forMs: undefined}, total),
    sending: mine,
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
  if (flags['with-serve']) return [{...common, role: 'serve', asks: role}]
  return []
}

function shareOf(total: number, clients: number, index: number): number {
  return Math.floor(total / clients) + (index < total % clients ? 1 : 0)
}
