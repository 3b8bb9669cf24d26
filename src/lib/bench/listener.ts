import {sizeOf} from '../core/message.ts'
import {Bounds} from '../messaging/bounds.ts'
import type {Subscription} from '../transport/contract.ts'
import type {ClientControl, Workload} from './client.ts'
import {type Job, patternsOf} from './job.ts'
import type {Meter} from './meter.ts'
import {plainPayload, stampReader} from './payload.ts'

/** After this long without a message nothing more is expected. */
const quietMs = 1000
const mostTaken = 1024
/** How far a slow reader may fall behind before messages are dropped. */
const pendingLimit = 1_000_000

/** Receives messages. A latency is the time since a stamped message was due. */
export const subscribeLoad: Workload = async (bus, job, meter, control) => {
  const patterns = patternsOf(job, bus.features.wildcards)
  await using subscription = await bus.subscribe(patterns, {pendingLimit, signal: control.stop})
  await control.ready()
  using _bounds = endWhenQuiet(subscription, meter, {...job, ...control})
  const read = stampReader()
  for (let left = job.count ?? Number.POSITIVE_INFINITY; left > 0; ) {
    const messages = await subscription.take(Math.min(left, mostTaken))
    if (messages.length === 0) break
    const at = meter.now()
    let bytes = 0
    for (const message of messages) {
      bytes += sizeOf(message.payload)
      if (job.stamped) meter.latencies.record(at - read(message.data))
    }
    meter.add(messages.length, bytes, at)
    left -= messages.length
  }
  meter.dropped = subscription.dropped
}

/** Answers requests immediately with a payload of the job's size. */
export const serveLoad: Workload = (bus, job, meter, control) =>
  answerRequests(plainPayload(job.size), bus, job, meter, control)

/** Answers requests immediately; several clients share them in a queue group. */
export async function answerRequests(
  data: Uint8Array,
  ...[bus, job, meter, control]: Parameters<Workload>
): Promise<void> {
  const patterns = patternsOf(job, bus.features.wildcards)
  await using subscription = await bus.subscribe(patterns, {queue: 'bench', pendingLimit, signal: control.stop})
  await control.ready()
  using _bounds = endWhenQuiet(subscription, meter, {...job, ...control, afterMs: 0})
  for (let left = job.count ?? Number.POSITIVE_INFINITY; left > 0; ) {
    const requests = await subscription.take(Math.min(left, mostTaken))
    if (requests.length === 0) break
    for (const {reply} of requests) if (reply !== undefined) bus.publish({subject: reply, data})
    meter.add(requests.length, requests.length * data.length, meter.now())
    left -= requests.length
  }
  meter.dropped = subscription.dropped
  await bus.flush()
}

/** Closes a subscription after `forMs`, or once the senders are done and nothing more arrives. */
function endWhenQuiet(
  subscription: Subscription,
  meter: Meter,
  {forMs, quiet, afterMs = quietMs}: Pick<Job, 'forMs'> & Pick<ClientControl, 'quiet'> & {afterMs?: number},
): Disposable {
  let [seen, since] = [-1, 0]
  const timer = setInterval(() => {
    if (meter.messages !== seen) [seen, since] = [meter.messages, performance.now()]
    else if (quiet.aborted && performance.now() - since >= afterMs) void subscription.close()
  }, quietMs / 10)
  const bounds = new Bounds({forMs}, () => void subscription.close())
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      bounds[Symbol.dispose]()
    },
  }
}
