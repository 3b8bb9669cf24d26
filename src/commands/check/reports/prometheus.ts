/** Metrics in the Prometheus text format, for the textfile collector of the node exporter or a push gateway. */
import type {CheckResult, Status} from '../../../lib/checks/events.ts'
import {unixSeconds} from '../../../lib/core/time/timestamp.ts'
import {isBad, type Rounds, reported} from './rounds.ts'

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number | string]

/** Metrics of the last round. Without one, for example because the bus could not be reached, success is 0. */
export function prometheusReport({ends, startedMs}: Rounds): string {
  const last = ends.at(-1)
  const results = last?.files.flatMap(reported) ?? []
  const labels = labelsOf(results)
  const of = (value: (result: CheckResult) => number): Sample[] =>
    results.flatMap((result, at) => (result.status === 'skipped' ? [] : [[labels[at] ?? {}, value(result)] as const]))
  const counts = (['passed', 'failed', 'skipped', 'error'] as const).map(
    (status: Status): Sample => [{status}, results.filter((result) => result.status === status).length],
  )
  const succeeded = last !== undefined && last.stoppedBy !== 'interrupt' && !results.some(isBad)
  return [
    metric('bus_check_success', 'Whether all checks passed: 1, or 0.', [[{}, Number(succeeded)]]),
    metric('bus_check_last_run_timestamp_seconds', 'When the run began.', [[{}, unixSeconds(startedMs)]]),
    metric('bus_check_run_duration_seconds', 'How long the run took.', [[{}, seconds(last?.totals.ms ?? 0)]]),
    metric('bus_checks', 'Checks by how they ended.', counts),
    metric(
      'bus_check_passed',
      'Whether the check passed: 1, or 0.',
      of((result) => Number(!isBad(result))),
    ),
    metric(
      'bus_check_duration_seconds',
      'How long the check took.',
      of(({ms}) => seconds(ms)),
    ),
    metric(
      'bus_check_attempts',
      'How many times the check was tried.',
      of(({attempts}) => attempts),
    ),
  ].join('')
}

/** Checks are identified by file and name, and by their line if the name is not unique. */
function labelsOf(results: readonly CheckResult[]): Record<string, string>[] {
  const keyOf = ({file, name}: CheckResult) => JSON.stringify([file, name])
  const keys = results.map(keyOf)
  return results.map((result) => {
    const {file, name, line} = result
    const isAlone = keys.indexOf(keyOf(result)) === keys.lastIndexOf(keyOf(result))
    return {file, check: name, ...(!isAlone && {line: String(line)})}
  })
}

function metric(name: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`)
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`
  })
  return lines.length === 0 ? '' : [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines, ''].join('\n')
}

function escaped(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
}

/** Rounded to microseconds. */
function seconds(ms: number): number {
  return Math.round(ms * 1000) / 1e6
}
