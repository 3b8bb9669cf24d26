/** Both sides of RPC methods under measurement. */
import {calling as callingOf} from '../../lib/bench/call-load.ts'
import type {Work} from '../../lib/bench/client.ts'
import {subjectOf} from '../../lib/bench/job.ts'
import {answering} from '../../lib/bench/listener.ts'
import {call} from '../../lib/protocols/loom-rpc/call.ts'
import {ok} from '../../lib/protocols/loom-rpc/envelope.ts'

/** Calls a method with a JSON text of so many bytes. */
export const calling: Work = callingOf(async (bus, job) => {
  const request = {method: job.subject.split('.').at(-1) ?? '', callerId: 'bench', payload: jsonOf(job.size)}
  return async (index) => {
    const {reply} = await call(bus, {subject: subjectOf(job, index), ...request, timeoutMs: job.timeoutMs})
    return reply.payload.length
  }
})

/** Answers with a JSON text of so many bytes. */
export const servingRpc: Work = (bus, job, meter, lead) =>
  answering(Buffer.from(ok(jsonOf(job.size))), bus, job, meter, lead)

function jsonOf(size: number): string {
  return JSON.stringify('x'.repeat(Math.max(0, size - 2)))
}
