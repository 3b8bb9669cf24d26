/** What each role does on a bus. The workloads of protocols are made here, where bench and protocols meet. */
import {callLoad, requestLoad} from '../../lib/bench/call-load.ts'
import type {Workload} from '../../lib/bench/client.ts'
import {type Job, type Role, subjectAt} from '../../lib/bench/job.ts'
import {answerRequests, serveLoad, subscribeLoad} from '../../lib/bench/listener.ts'
import {plainPayload} from '../../lib/bench/payload.ts'
import {publishLoad} from '../../lib/bench/publish-load.ts'
import {replayLoad} from '../../lib/bench/replay-load.ts'
import {call} from '../../lib/protocols/loom-rpc/call.ts'
import {ok} from '../../lib/protocols/loom-rpc/envelope.ts'
import {StreamClient} from '../../lib/protocols/response-streams/client.ts'
import {serveStreams} from '../../lib/protocols/response-streams/serve.ts'

/** Frames written between two flushes. */
const flushEvery = 1000

/** Opens response streams and reads each to its end. A latency is the time to the close frame. */
const openLoad = callLoad(async (bus, job) => {
  const client = new StreamClient(bus)
  const body = plainPayload(job.size)
  return async (index) => {
    const stream = await client.open(subjectAt(job, index), body)
    let bytes = 0
    for await (const {payload} of stream) bytes += payload.length
    return bytes
  }
})

/** Calls an RPC method with a JSON text of the job's size. */
const rpcLoad = callLoad(async (bus, job) => {
  const request = {method: job.subject.split('.').at(-1) ?? '', callerId: 'bench', payload: jsonOf(job.size)}
  return async (index) => {
    const {reply} = await call(bus, {subject: subjectAt(job, index), ...request, timeoutMs: job.timeoutMs})
    return reply.payload.length
  }
})

const serveRpcLoad: Workload = (bus, job, meter, control) =>
  answerRequests(Buffer.from(ok(jsonOf(job.size))), bus, job, meter, control)

const serveStreamsLoad: Workload = async (bus, job, meter, {ready, quiet, stop}) => {
  const data = plainPayload(job.size)
  await serveStreams(bus, {
    subject: job.subjects === 1 ? job.subject : `${job.subject}.*`,
    queue: 'bench',
    concurrency: 10_000,
    forMs: job.forMs,
    signal: AbortSignal.any([quiet, stop]),
    onLive: () => void ready(),
    onStreamed: ({bytes}) => meter.add(1, bytes, meter.now()),
    async producer(_request, writer) {
      for (let i = 0; i < job.frames; i++) {
        writer.write(data)
        if (i % flushEvery === flushEvery - 1) await writer.flush()
      }
      return undefined
    },
  })
}

const workloads: Readonly<Record<Role, Workload>> = {
  pub: publishLoad,
  sub: subscribeLoad,
  req: requestLoad,
  replay: replayLoad,
  serve: serveLoad,
  open: openLoad,
  rpc: rpcLoad,
}

/** The workload of a job. A `serve` client speaks the protocol of its callers. */
export function workloadOf({role, callers}: Pick<Job, 'role' | 'callers'>): Workload {
  if (role !== 'serve') return workloads[role]
  return callers === 'open' ? serveStreamsLoad : callers === 'rpc' ? serveRpcLoad : serveLoad
}

function jsonOf(size: number): string {
  return JSON.stringify('x'.repeat(Math.max(0, size - 2)))
}
