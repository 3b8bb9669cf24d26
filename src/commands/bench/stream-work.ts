/** Both sides of response streams under measurement. */
import {calling} from '../../lib/bench/call-load.ts'
import type {Work} from '../../lib/bench/client.ts'
import {subjectOf} from '../../lib/bench/job.ts'
import {plainPayload} from '../../lib/bench/stamp.ts'
import {StreamClient} from '../../lib/protocols/response-streams/client.ts'
import {serveStreams} from '../../lib/protocols/response-streams/serve.ts'

/** Frames that are written before it is waited for them to be on their way. */
const flushEvery = 1000

/** Opens streams and reads each to its end. A latency is the time to the close frame. */
export const opening: Work = calling(async (bus, job) => {
  const client = new StreamClient(bus)
  const body = plainPayload(job.size)
  return async (index) => {
    const stream = await client.open(subjectOf(job, index), body)
    let bytes = 0
    for await (const {payload} of stream) bytes += payload.length
    return bytes
  }
})

/** Writes so many frames into each stream. */
export const servingStreams: Work = async (bus, job, meter, {ready, quiet, stop}) => {
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
