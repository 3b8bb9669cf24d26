/** The events of a run with everything that a report can contain. */
import type {CheckEvent, CheckResult, FileResult, Reporter} from '../../../../src/lib/checks/events.ts'
import {Message} from '../../../../src/lib/core/message.ts'

const plan = {kind: 'req', file: 'checks/orders.yaml', part: 'checks', tags: []} as const
const done = {attempts: 1, failures: [], messages: []} as const

const reply = new Message(
  'orders.get',
  '{"id":7,"total":41,"items":["a","b"]}',
  [['Trace', 'a<b>&"c"']],
  undefined,
  12,
  1_763_632_800_000,
)

/** Its payload attempts to be a command for a CI system, the end of an element, and a cursor movement. */
const hostile = new Message('evil.\u202e', ']]></failure>\n::error::owned\n\x1b[2J\0\ud800 \u{1f600} \uffff', [])

export const passed: CheckResult = {
  ...plan,
  ...done,
  name: 'an order can be read',
  line: 4,
  status: 'passed',
  ms: 12.3456,
}

export const failed: CheckResult = {
  ...{...plan, name: 'totals & <taxes> "are" right # really', line: 9, status: 'failed', ms: 1250, attempts: 3},
  failures: [
    {
      sentence: 'expected json to be {"id":7,"total":42}, but it is {"id":7,"total":41}',
      ...{line: 11, expression: 'json', message: reply},
      expected: {id: 7, total: 42, items: ['a', 'b']},
      seen: {json: {items: ['a', 'b'], id: 7, total: 41}},
    },
    {
      sentence: 'expected $count(json.items) = 3, but $count(json.items) is 2',
      ...{line: 12, expression: '$count(json.items) = 3', seen: {'$count(json.items)': 2}, message: reply},
    },
  ],
  messages: [reply],
}

export const lost: CheckResult = {
  ...{...plan, name: 'the bus is there', line: 20, status: 'error', ms: 3, attempts: 1},
  failures: [{sentence: 'connection lost', line: 20, kind: 'connect', try: ['bus context check'], message: hostile}],
  messages: [hostile],
}

const skipped: CheckResult = {
  ...{
    ...plan,
    ...done,
    name: 'only at night',
    line: 25,
    status: 'skipped',
    ms: 0,
    attempts: 0,
    reason: 'skip-if: true',
  },
}

const cleaned: CheckResult = {...plan, ...done, name: 'clean up', line: 30, part: 'always', status: 'passed', ms: 1}

export function fileOf(results: readonly CheckResult[], file = 'checks/orders.yaml', name = 'orders & co'): FileResult {
  const own = results.map((result) => ({...result, file}))
  const of = (status: string) => own.filter((result) => result.status === status && result.part === 'checks').length
  const counts = {passed: of('passed'), failed: of('failed'), skipped: of('skipped'), errors: of('error')}
  return {file, name, results: own, ...counts, ms: 1300}
}

/** Files that ran one after the other. */
export function eventsOf(files: readonly FileResult[], round = 1): CheckEvent[] {
  const plans = files.map(({file, name, results}) => ({file, name, checks: results}))
  const sum = (key: 'passed' | 'failed' | 'skipped' | 'errors') => files.reduce((total, file) => total + file[key], 0)
  const totals = {
    passed: sum('passed'),
    failed: sum('failed'),
    skipped: sum('skipped'),
    errors: sum('errors'),
    ms: 1400,
  }
  return [
    {kind: 'start', files: plans, round, jobs: 1},
    ...files.flatMap((file, at): CheckEvent[] => [
      {kind: 'fileStart', file: plans[at] ?? {file: '', name: '', checks: []}, bus: 'nats://127.0.0.1:4222'},
      ...file.results.flatMap((result): CheckEvent[] => [
        {kind: 'checkStart', check: result},
        {kind: 'checkEnd', result},
      ]),
      {kind: 'fileEnd', file},
    ]),
    {kind: 'end', totals, files, round},
  ]
}

export const everything = eventsOf([
  fileOf([passed, failed, lost, skipped, cleaned]),
  fileOf([passed], 'checks/more.yaml', 'checks/more.yaml'),
])

export async function told(reporter: Reporter, events: readonly CheckEvent[]): Promise<void> {
  for (const event of events) reporter.tell(event)
  await reporter.settled?.()
  await reporter.close?.()
}
