/** Takes the next messages of a durable consumer, shows them, and only then settles them. */

import {BusError} from '../../core/errors.ts'
import type {Message} from '../../core/message.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import {laterSignal, sleep, Timer} from '../../core/time/timer.ts'
import {checkNoneLost, Deliveries, isLimited, lostWaitMs} from '../../transport/deliveries.ts'
import type {ConsumerInfo, Consuming, Delivery, Streams} from '../../transport/streams-contract.ts'
import {unacknowledged} from './places.ts'
import {type OnStall, StallWatch} from './stall.ts'

export interface NextOptions {
  readonly count: number
  /** For all messages together. */
  readonly timeoutMs: number
  readonly settle: 'ack' | 'nak' | 'term'
  /** With `nak`: the delay until redelivery. */
  readonly delayMs?: (() => number) | undefined
  /** Take from a push consumer although the other messages that it sends are lost, or lose a delivery. */
  readonly acceptLoss?: boolean | undefined
  /** Called once for each reason why the consumer delivers nothing; what it throws ends the wait. */
  readonly onStall?: OnStall | undefined
  /** Shows messages; false if they did not reach the reader. */
  readonly show: (batch: readonly Delivery[]) => Promise<boolean>
  readonly signal?: AbortSignal | undefined
}

export interface Taken {
  readonly taken: number
  /** How many of them had been delivered before. */
  readonly redelivered: number
  /** How many more messages the consumer has, as of the last one. */
  readonly pending: number | undefined
  /** False if the consumer has no acknowledgements. */
  readonly isAcknowledged: boolean
}

const batchSize = 256
/** How often it checks whether held acknowledgements may be sent. */
const askMs = 100

/**
 * Takes up to `count` messages. When it resolves, shown messages are settled and the bus has the settlements; the others were
 * returned immediately. At the deadline or an abort, those that were delivered and would lose a delivery are still shown.
 * Fails with `notFound` if the consumer does not exist.
 */
export async function takeNext(
  streams: Streams,
  stream: string,
  consumer: string,
  options: NextOptions,
): Promise<Taken> {
  const {count, timeoutMs, signal, show, onStall} = options
  const info = await checkedConsumer(streams, stream, consumer, options)
  const watch = new StallWatch(streams.consumers, info, onStall)
  watch.waits()
  const deadline = performance.now() + timeoutMs
  const [leaving, stopped] = [new AbortController(), signal && laterSignal(signal, lostWaitMs.interrupted)]
  stopped?.addEventListener('abort', () => leaving.abort())
  using _late = new Timer(timeoutMs + lostWaitMs.complete, () => leaving.abort())
  const deliveries = new Deliveries(info)
  await using members = new AsyncDisposableStack()
  const joined: Consuming[] = []
  const join = async (max: number) => {
    const member = await streams.consumers.consume(stream, consumer, {prefetch: Math.min(max, 2 * batchSize), max})
    joined.push(member)
    return members.use(member)
  }
  let consuming = await join(count)
  let taken = 0
  let redelivered = 0
  let pending: number | undefined
  const isOver = () => signal?.aborted || performance.now() >= deadline
  for (let isFirst = true; taken < count; isFirst = false) {
    // Messages that were delivered and would lose a delivery are still shown.
    if ((!isFirst || signal?.aborted) && isOver() && !(isLimited(info) && (await consuming.finish()))) break
    const waitMs = Math.max(1, Math.min(watch.dueMs, deadline - performance.now()))
    // A failure occurs again at the end.
    const stop = () => void (isLimited(info) ? consuming.finish() : consuming.close()).catch(() => {})
    const all = await takeUnlessStopped(consuming, Math.min(batchSize, count - taken), waitMs, {signal, stop})
    watch.waited(all.length, consuming, deliveries.size)
    if (all.length === 0 && consuming.ended) break
    const batch = deliveries.add(all)
    if (batch.length > 0) {
      if (!(await shownOrGivenBack(deliveries, batch, show))) break
      for (const delivery of batch) settle(deliveries, delivery, options)
      await consuming.flush(leaving.signal)
    }
    taken += batch.length
    redelivered += batch.filter(({deliveries}) => deliveries > 1).length
    pending = batch.at(-1)?.pending ?? pending
    // Copies took the place of some messages.
    if (consuming.ended && taken < count && !isOver()) consuming = await join(count - taken)
  }
  await settleHeld(streams, deliveries, deadline, signal)
  for (const member of joined) await member.flush(leaving.signal)
  return {taken, redelivered, pending, isAcknowledged: info.config.ack !== 'none'}
}

/** Fails with `timeout` if others have earlier messages in flight until the deadline; then nothing is acknowledged. */
async function settleHeld(
  streams: Streams,
  deliveries: Deliveries,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  while (deliveries.held > 0) {
    const {others} = await deliveries.ask(streams.consumers)
    if (others === 0) break
    if (performance.now() >= deadline || signal?.aborted) {
      const error = deliveries.heldError()
      deliveries.giveAllBack()
      throw error
    }
    await sleep(askMs, signal)
  }
}

/** The consumer. Fails before anything is delivered. */
async function checkedConsumer(
  streams: Streams,
  stream: string,
  consumer: string,
  {settle, count, acceptLoss}: NextOptions,
): Promise<ConsumerInfo> {
  const info = await streams.consumers.info(stream, consumer)
  if (info.config.ack === 'none' && settle !== 'ack') {
    const sentence = `--${settle} is not possible: the consumer ${consumer} of ${stream} has ack policy none, so each message is delivered only once`
    throw new BusError('usage', sentence, {
      try: [`bus consumer next ${shellWord(stream)} ${shellWord(consumer)} --peek`],
    })
  }
  if (!acceptLoss) checkNoneLost(info, count)
  return info
}

/** May be interrupted while waiting, but not while messages are in progress, because they have to be settled. */
async function takeUnlessStopped(
  consuming: Consuming,
  max: number,
  waitMs: number,
  {signal, stop}: {readonly signal: AbortSignal | undefined; readonly stop: () => void},
): Promise<readonly Delivery[]> {
  signal?.addEventListener('abort', stop)
  try {
    return await consuming.take(max, waitMs)
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

function settle(deliveries: Deliveries, delivery: Delivery, {settle, delayMs}: NextOptions): void {
  if (settle === 'nak') deliveries.giveBack(delivery, delayMs?.())
  else deliveries.settle(delivery, settle)
}

async function shownOrGivenBack(
  deliveries: Deliveries,
  batch: readonly Delivery[],
  show: NextOptions['show'],
): Promise<boolean> {
  let shown = false
  try {
    shown = await show(batch)
  } finally {
    if (!shown) for (const delivery of batch) deliveries.giveBack(delivery)
  }
  return shown
}

/**
 * Shows up to `count` messages after the ack floor, read from the stream, so that the consumer is not affected. Some of them
 * may have been acknowledged before an earlier one.
 */
export async function peekNext(
  streams: Streams,
  stream: string,
  consumer: string,
  {
    count,
    show,
    signal,
  }: Pick<NextOptions, 'count' | 'signal'> & {
    readonly show: (batch: readonly Message[]) => Promise<boolean>
  },
): Promise<Taken> {
  const range = unacknowledged(await streams.consumers.info(stream, consumer))
  let taken = 0
  if (range === undefined) return {taken, redelivered: 0, pending: undefined, isAcknowledged: true}
  await using reading = await streams.read(stream, {...range, signal})
  while (taken < count) {
    const batch = await reading.take(Math.min(batchSize, count - taken))
    if (batch.length === 0 || !(await show(batch))) break
    taken += batch.length
  }
  return {taken, redelivered: 0, pending: undefined, isAcknowledged: true}
}
