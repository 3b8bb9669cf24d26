import {sizeOf} from '../core/message.ts'
import type {Subscription} from '../transport/contract.ts'
import type {Lead, Work} from './client.ts'
import {type Job, patternsOf} from './job.ts'
import type {Meter} from './meter.ts'
import {plainPayload, stampReader} from './stamp.ts'

/** Nothing has come for so many milliseconds: nothing will. */
const quietMs = 1000
const mostTaken = 1024
/** A measurement that loses messages is none: what a slow reader may fall behind. */
const pendingLimit = 1_000_000

/** Takes messages. A latency is the time from when a stamped message was due. */
export const subscribing: Work = async (bus, job, meter, lead) => {
  const patterns = patternsOf(job, bus.features.wildcards)
  await using subscription = await bus.subscribe(patterns, {pendingLimit, signal: lead.stop})
  await lead.ready()
  using _bounds = endWhenQuiet(subscription, job, meter, lead)
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

/** Answers requests at once with so many bytes. */
export const serving: Work = (bus, job, meter, lead) => answering(plainPayload(job.size), bus, job, meter, lead)

/** Answers requests at once; what several clients serve is shared among them. */
export async function answering(data: Uint8Array, ...[bus, job, meter, lead]: Parameters<Work>): Promise<void> {
  const patterns = patternsOf(job, bus.features.wildcards)
  await using subscription = await bus.subscribe(patterns, {queue: 'bench', pendingLimit, signal: lead.stop})
  await lead.ready()
  using _bounds = endWhenQuiet(subscription, job, meter, lead, 0)
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

/** Ends a subscription when its time is over, and when nobody sends any more and nothing more comes. */
function endWhenQuiet(
  subscription: Subscription,
  {forMs}: Job,
  meter: Meter,
  {quiet}: Lead,
  afterMs: number = quietMs,
): Disposable {
  let [seen, since] = [-1, 0]
  const timer = setInterval(() => {
    if (meter.messages !== seen) [seen, since] = [meter.messages, performance.now()]
    else if (quiet.aborted && performance.now() - since >= afterMs) void subscription.close()
  }, quietMs / 10)
  const end = forMs === undefined ? undefined : setTimeout(() => void subscription.close(), forMs)
  return {
    [Symbol.dispose]() {
      clearInterval(timer)
      clearTimeout(end)
    },
  }
}
