/** What reports that are written at the end have in common: all that has ended, and the checks that count. */
import type {CheckEvent, CheckResult, FileResult} from '../../../lib/checks/events.ts'

type End = Extract<CheckEvent, {kind: 'end'}>

export interface Rounds {
  readonly ends: readonly End[]
  /** The bus of each file, by its path. */
  readonly buses: ReadonlyMap<string, string>
  /** Unix time in milliseconds. */
  readonly startedMs: number
}

export function collectRounds(): {readonly rounds: Rounds; readonly tell: (event: CheckEvent) => void} {
  const ends: End[] = []
  const buses = new Map<string, string>()
  const tell = (event: CheckEvent) => {
    if (event.kind === 'fileStart') buses.set(event.file.file, event.bus)
    if (event.kind === 'end') ends.push(event)
  }
  return {rounds: {ends, buses, startedMs: Date.now()}, tell}
}

/** Clean-up that went well is nothing to report. */
export function reported({results}: FileResult): readonly CheckResult[] {
  return results.filter(({part, failures}) => part === 'checks' || failures.length > 0)
}

export function isBad({status}: CheckResult): boolean {
  return status === 'failed' || status === 'error'
}
