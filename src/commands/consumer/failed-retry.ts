/** `consumer failed --retry`: passes the failed messages to a sink. Loaded only for it. */
import {limitHeap} from '../../lib/cli/base/heap-limit.ts'
import {openRecordFile} from '../../lib/cli/io/record-file.ts'
import {startProgress} from '../../lib/cli/render/progress.ts'
import {type Replayed, replay} from '../../lib/messaging/replay/replay.ts'
import {checkForgettable, type FailedList} from '../../lib/messaging/stored/failed.ts'
import {FailedSource} from '../../lib/messaging/stored/failed-source.ts'
import type {FailedFlags} from './failed-plan.ts'
import {chooseSink, type SinkContext} from './replay-sink.ts'

export interface Retried {
  readonly done: Replayed
  /** Messages that are no longer there. */
  readonly gone: number
  /** They were shown on stdout. */
  readonly shows: boolean
}

export async function retryFailed(
  list: FailedList,
  flags: FailedFlags & {readonly stream: string; readonly quiet: boolean; readonly timeout: number},
  context: SinkContext,
): Promise<Retried> {
  let gone = 0
  await using source = new FailedSource(list, {count: flags.count, onGone: () => gone++})
  checkForgettable(list)
  const {sink, shows} = await chooseSink({...flags, isPicked: true}, context)
  await using _sink = sink
  using file = flags.dead === undefined ? undefined : openRecordFile(flags.dead)
  using bar = flags.quiet ? undefined : startProgress({unit: 'messages', total: flags.count, shows})
  limitHeap()
  const done = await replay(source, sink, {
    policy: {onError: file === undefined ? 'skip' : 'term', maxAttempts: 1},
    stop: context.stop,
    onGivenUp: file && ((message) => file.record([message])),
    onProgress: ({read}) => bar?.update(read),
  })
  return {done, gone, shows}
}
