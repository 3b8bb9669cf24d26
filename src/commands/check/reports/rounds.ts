/** What reports share: their output, the results of all rounds, and which results count. */
import type {CheckEvent, CheckResult, FileResult} from '../../../lib/checks/events.ts'

type RunEnd = Extract<CheckEvent, {kind: 'end'}>

export interface ReportOutput {
  write(text: string): void
  /** Flushes what was written. */
  ready(): unknown
}

export interface Rounds {
  readonly ends: readonly RunEnd[]
  /** The bus of each file, by its path. */
  readonly buses: ReadonlyMap<string, string>
  /** Unix time in milliseconds. */
  readonly startedMs: number
}

export function collectRounds(): {readonly rounds: Rounds; readonly tell: (event: CheckEvent) => void} {
  const ends: RunEnd[] = []
  const buses = new Map<string, string>()
  const tell = (event: CheckEvent) => {
    if (event.kind === 'fileStart') buses.set(event.file.file, event.bus)
    if (event.kind === 'end') ends.push(event)
  }
  return {rounds: {ends, buses, startedMs: Date.now()}, tell}
}

/** The results to report; successful clean-up is left out. */
export function reported({results}: FileResult): readonly CheckResult[] {
  return results.filter(({part, failures}) => part === 'checks' || failures.length > 0)
}

export function isBad({status}: CheckResult): boolean {
  return status === 'failed' || status === 'error'
}
