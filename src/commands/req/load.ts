/** `req --count`: many requests, counted and measured. */

import type {Output} from '../../lib/cli/io/output.ts'
import {makeLatencies} from '../../lib/cli/render/histogram.ts'
import {type ProgressWork, startProgress} from '../../lib/cli/render/progress.ts'
import type {ReplyView} from '../../lib/cli/render/reply-view.ts'
import {serviceFailure} from '../../lib/core/message.ts'
import {failureOfLoad, type RequestLoad, runRequests} from '../../lib/messaging/load.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {loadLines, loadReport} from './load-report.ts'
import type {ReqPlan} from './plan.ts'

export interface LoadRun {
  readonly subject: string
  readonly count: number
  readonly concurrency: number
  readonly json: boolean
  /** Shows each reply; the counts then go to stderr. */
  readonly show: ReplyView | undefined
}

export interface LoadScreen {
  readonly output: Output
  /** Writes one line to stderr. */
  readonly say: (line: string) => void
  /** The width of stdout, if it is a terminal. */
  readonly columns: number | undefined
  readonly quiet: boolean
}

/** Runs the requests and prints the report. Fails after the report as `failureOfLoad` does. */
export async function measure(bus: Transport, plan: ReqPlan, run: LoadRun, screen: LoadScreen): Promise<void> {
  const {subject, count, concurrency, json, show} = run
  const {output} = screen
  const latencies = await makeLatencies()
  const {timeoutMs, ackIsReply, signal} = plan.bounds
  const result = await withProgress(
    {unit: 'requests', total: count, shows: show !== undefined},
    screen.quiet,
    (onProgress) => {
      const judge = judgeOf(plan, run, output)
      const {make: next} = plan
      return runRequests(bus, {
        count,
        concurrency,
        timeoutMs,
        ackIsReply,
        next,
        onLatency: latencies.record,
        judge,
        onProgress,
        signal,
      })
    },
  )
  const report = loadReport(result, latencies, {subject, concurrency})
  if (json) output.write(`${JSON.stringify(report)}\n`)
  else {
    const lines = loadLines(report, latencies, screen.columns)
    if (show === undefined) output.write(`${lines.join('\n')}\n`)
    else for (const line of lines) screen.say(line)
  }
  const failure = failureOfLoad(result, count)
  if (failure !== undefined) throw failure
}

async function withProgress<T>(
  counted: ProgressWork,
  quiet: boolean,
  work: (onProgress: RequestLoad['onProgress']) => Promise<T>,
): Promise<T> {
  if (quiet) return work(undefined)
  using progress = startProgress(counted)
  return await work((done) => progress.update(done))
}

/** Judges without a promise if nothing is expected and nothing is shown. */
function judgeOf({judge, expectsNothing}: ReqPlan, {subject, show}: LoadRun, output: Output): RequestLoad['judge'] {
  if (expectsNothing && show === undefined) {
    return (reply) => {
      const failure = serviceFailure(reply, subject)
      if (failure !== undefined) throw failure
      return undefined
    }
  }
  return async (message, ms) => {
    await show?.({message, ms}, output)
    await output.ready()
    await judge([{message, ms}])
  }
}
