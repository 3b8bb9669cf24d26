import {mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {Chalk} from 'chalk'
import {Parser} from 'tap-parser'
import {afterAll, expect, it} from 'vitest'
import {validateXML} from 'xmllint-wasm'
import {makeReporters, type ReportConsole} from '../../../../src/commands/check/reports/reporters.ts'
import type {CheckEvent} from '../../../../src/lib/checks/events.ts'
import {parseRecord} from '../../../../src/lib/core/record.ts'
import {eventsOf, everything, failed, fileOf, lost, passed, told} from './scene.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-reports-'))
afterAll(() => rmSync(folder, {recursive: true}))
const schema = readFileSync(join(import.meta.dirname, 'junit.xsd'), 'utf8')

interface Seen {
  stdout: string
  stderr: string
}

/** Passes the events to the reporters that the flags request. */
async function reported(
  flags: {report?: string[]; record?: string; json?: boolean; quiet?: boolean},
  events: readonly CheckEvent[] = everything,
  more: Partial<ReportConsole> = {},
): Promise<Seen> {
  const seen = {stdout: '', stderr: ''}
  const screen: ReportConsole = {
    output: {
      write(text) {
        seen.stdout += text
      },
      ready() {},
    },
    tell(text) {
      seen.stderr += text
    },
    draw(fd, text) {
      seen[fd === 1 ? 'stdout' : 'stderr'] += text
    },
    ...{env: {}, isTerminal: () => false, paint: async () => undefined, columns: () => undefined},
    ...more,
  }
  const reporters = await makeReporters({json: false, quiet: false, ...flags}, screen)
  for (const reporter of reporters) await told(reporter, events)
  return seen
}

async function fileReport(kind: string, events: readonly CheckEvent[] = everything): Promise<string> {
  const path = join(folder, 'new', `report.${kind}`)
  await reported({report: [`${kind}=${path}`]}, events)
  return readFileSync(path, 'utf8')
}

async function faultsOfJunit(contents: string): Promise<readonly {message: string}[]> {
  const xml = {fileName: 'report.xml', contents}
  return (await validateXML({xml, schema: {fileName: 'junit.xsd', contents: schema}})).errors
}

it('the JUnit report is valid whatever names and messages contain', async () => {
  const xml = await fileReport('junit')
  expect(await faultsOfJunit(xml)).toEqual([])
  expect(xml).toContain('<testsuites name="bus check" tests="5" failures="1" errors="1" time="1.400">')
  expect(xml).toContain(
    'name="totals &amp; &lt;taxes&gt; &quot;are&quot; right # really" classname="orders" time="1.250"',
  )
  expect(xml).toMatch(/<failure message="expected json to be .*" type="expectation">checks\/orders.yaml:11\n/)
  expect(xml).toContain('-   &quot;total&quot;: 42\n')
  expect(xml).toContain('<skipped message="skip-if: true"/>')
  expect(xml).toMatch(/<error message="connection lost" type="connect">/)
  expect(xml).not.toContain('clean up')
})

it('the JUnit report has separate suites for each round, and none for a run that never began', async () => {
  const rounds = [...eventsOf([fileOf([passed])]), ...eventsOf([fileOf([failed])], 2)]
  const xml = await fileReport('junit', rounds)
  expect(await faultsOfJunit(xml)).toEqual([])
  expect(xml).toContain('name="orders &amp; co (round 2)"')
  expect(await faultsOfJunit(await fileReport('junit', []))).toEqual([])
})

it('the JUnit schema of this test rejects an invalid report', async () => {
  const xml = await fileReport('junit')
  expect(await faultsOfJunit(xml.replace(/ type="connect"/, ''))).toHaveLength(1)
  expect(await faultsOfJunit(xml.replace('<testcase', '<testcase line="3"'))).toHaveLength(1)
})

it('a TAP parser reads every check, its result and its failures', async () => {
  const {stdout, stderr} = await reported({report: ['tap']})
  const results: {ok: boolean; name: string; skip: unknown; diag: Record<string, unknown> | null}[] = []
  const parser = new Parser({strict: true})
  parser.on('assert', (result) => results.push(result))
  const strange: unknown[] = []
  parser.on('extra', (text) => strange.push(text))
  const final = await new Promise<{plan: {end: number | null}; failures: unknown[]}>((resolve) => {
    parser.on('complete', resolve)
    parser.end(stdout)
  })
  expect(strange).toEqual([])
  expect(final.plan.end).toBe(5)
  expect(results.map(({ok, name}) => [ok, name])).toEqual([
    [true, 'orders & co: an order can be read'],
    [false, 'orders & co: totals & <taxes> "are" right # really'],
    [false, 'orders & co: the bus is there'],
    [true, 'orders & co: only at night'],
    [true, 'checks/more.yaml: an order can be read'],
  ])
  expect(results[3]?.skip).toBe('skip-if: true')
  expect(results[1]?.diag).toMatchObject({
    severity: 'fail',
    at: {file: 'checks/orders.yaml', line: 9},
    failures: [
      {expression: 'json', expected: {total: 42}, seen: {json: {total: 41}}, record: {subject: 'orders.get'}},
      {},
    ],
  })
  // Only the report is on stdout.
  expect(stderr).toContain('FAILED  checks/orders.yaml:9')
})

it('the TAP report of a run that never began has an empty plan', async () => {
  expect(await fileReport('tap', [])).toBe('TAP version 14\n1..0\n')
})

it('the GitHub report adds a one-line annotation for each failure to the usual text', async () => {
  const env = {GITHUB_WORKSPACE: process.cwd()}
  const {stdout} = await reported({report: ['github']}, everything, {env})
  const commands = stdout.split('\n').filter((line) => line.startsWith('::'))
  expect(commands).toHaveLength(3)
  expect(commands[0]).toMatch(
    /^::error file=checks\/orders\.yaml,line=11,title=totals & <taxes> "are" right # really::expected json to be .*%0A/,
  )
  expect(commands[1]).toMatch(/^::error file=checks\/orders\.yaml,line=12,/)
  expect(commands[2]).toContain('%0A  │ ::error::owned%0A')
  expect(stdout).toContain('passed  checks/orders.yaml:4')
})

it('the content of a message in a report can neither command a CI system nor move the cursor', async () => {
  const {stdout} = await reported({}, eventsOf([fileOf([lost])]))
  expect(stdout).toContain('│ ::error::owned')
  expect(stdout).not.toMatch(/^\s*::/m)
  for (const character of ['\0', '\x1b', '\u202e']) expect(stdout).not.toContain(character)
})

it('the Prometheus report has samples for each check that ran, and whether all passed', async () => {
  const text = await fileReport('prometheus')
  expect(text).toContain('\nbus_check_success 0\n')
  expect(text).toContain('bus_checks{status="skipped"} 1\n')
  expect(text).toContain('bus_check_passed{file="checks/orders.yaml",check="an order can be read"} 1\n')
  expect(text).toContain('check="totals & <taxes> \\"are\\" right # really"} 0\n')
  expect(text).toContain('bus_check_duration_seconds{file="checks/more.yaml",check="an order can be read"} 0.012346\n')
  for (const line of text.trimEnd().split('\n')) {
    expect(line).toMatch(
      /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\})? [\d.]+)$/,
    )
  }
  const series = text.split('\n').map((line) => line.replace(/ \S+$/, ''))
  const names = series.filter((line) => line !== '' && !line.startsWith('#'))
  expect(new Set(names).size).toBe(names.length)
})

it('the Prometheus report tells checks with the same name apart by line, and reports no success for a run that never began', async () => {
  const text = await fileReport('prometheus', eventsOf([fileOf([passed, {...passed, line: 8}])]))
  expect(text).toContain('check="an order can be read",line="8"} 1\n')
  expect(text).toContain('\nbus_check_success 1\n')
  expect(await fileReport('prometheus', [])).toContain('\nbus_check_success 0\n')
})

it('the JSON report is the document of --json', async () => {
  const document = JSON.parse(await fileReport('json')) as {failed: number; files: {checks: object[]}[]}
  expect(document).toMatchObject({passed: 2, failed: 1, errors: 1, skipped: 1, rounds: 1})
  expect(document.files[0]?.checks[1]).toMatchObject({failures: [{message: {seq: 12, json: {total: 41}}}, {}]})
})

it('several reports can be written at once, each to its own target', async () => {
  const report = ['junit', 'tap', 'json', 'github', 'prometheus'].map(
    (kind) => `${kind}=${join(folder, `all.${kind}`)}`,
  )
  const {stdout} = await reported({report})
  expect(stdout).toContain('FAILED  checks/orders.yaml:9')
  expect(readdirSync(folder).filter((name) => name.startsWith('all.'))).toHaveLength(5)
})

it.each([
  [{report: ['junt']}, 'usage', /unknown report "junt"/],
  [{report: ['junit=']}, 'usage', /has an empty file name/],
  [{report: ['tap', 'junit']}, 'usage', /--report tap and --report junit would both write to stdout/],
  [{report: ['tap'], json: true}, 'usage', /--json and --report tap/],
  [{report: ['junit=/dev/null/report.xml']}, 'denied', /cannot write/],
  [{report: [`junit=${tmpdir()}`]}, 'usage', /it is a folder/],
])('the report flags %j are refused before anything runs', async (flags, kind, message) => {
  await expect(reported(flags)).rejects.toMatchObject({kind, message: expect.stringMatching(message)})
})

it('--record saves the messages seen by failed checks, as records that can be published again', async () => {
  const record = join(folder, 'failed')
  const {stderr} = await reported({record}, eventsOf([fileOf([passed, failed, {...failed, line: 90}, lost])]))
  expect(readdirSync(record).sort()).toEqual([
    'orders-the-bus-is-there.ndjson',
    'orders-totals-taxes-are-right-really-2.ndjson',
    'orders-totals-taxes-are-right-really.ndjson',
  ])
  const line = readFileSync(join(record, 'orders-totals-taxes-are-right-really.ndjson'), 'utf8')
  expect(parseRecord(line)).toMatchObject({subject: 'orders.get', headers: [['Trace', 'a<b>&"c"']]})
  expect(stderr).toContain('1 message of "the bus is there" in ')
})

it('on a terminal a tree shows running checks, coloured differences and totals', async () => {
  const paint = new Chalk({level: 1})
  const {stdout} = await reported({}, everything, {isTerminal: () => true, paint: async () => paint, columns: () => 60})
  expect(stdout).toMatch(/⠙ orders & co: an order can be read · 1\/5/)
  expect(stdout).toContain('\x1b[1A\r\x1b[J')
  expect(stdout).toContain(`${paint.bold('orders & co')}  ${paint.dim('checks/orders.yaml')}\n`)
  expect(stdout).toContain(`  ${paint.green('✓')} an order can be read  ${paint.dim('12 ms')}\n`)
  expect(stdout).toContain(paint.dim('1.3 s · 3 attempts  checks/orders.yaml:9'))
  expect(stdout).toContain(`${paint.green('-   "total": 42')}\n`)
  expect(stdout).toContain(`${paint.red('+   "total": 41')}\n`)
  expect(stdout).toContain(`${paint.cyan('Trace')}: a<b>&"c"\n`)
  expect(stdout).toContain(`${paint.yellow('○')} only at night`)
  expect(stdout).toMatch(/2 passed.*1 failed.*1 error\b.*1 skipped.*1\.4 s/)
  expect(stdout.match(/orders\.get/g)).toHaveLength(1)
})

it('on a terminal the checks of files that run in parallel are not mixed', async () => {
  const one = eventsOf([fileOf([passed, {...passed, name: 'second'}], 'a.yaml', 'a')])
  const two = eventsOf([fileOf([{...passed, name: 'other'}], 'b.yaml', 'b')])
  // b begins after a has, and ends before it.
  const mixed = [...one.slice(0, 4), ...two.slice(1, -1), ...one.slice(4)]
  const {stdout} = await reported({}, mixed, {isTerminal: () => true, env: {TERM: 'dumb'}})
  const order = [...stdout.matchAll(/^ {0,2}(?:✓ )?(a|b|second|other|an order can be read)\b/gm)].map(
    ([, name]) => name,
  )
  expect(order).toEqual(['a', 'an order can be read', 'second', 'b', 'other'])
})

it('a folder that is created for a report is named, and only once', async () => {
  const path = join(folder, 'made', 'here', 'x.xml')
  const {stderr} = await reported({report: [`junit=${path}`]})
  expect(stderr).toContain(`created the folder ${join(folder, 'made', 'here')}, which only you can open\n`)
  expect((await reported({report: [`junit=${path}`]})).stderr).not.toContain('created')
})

it.runIf(process.platform === 'linux')('a folder that cannot be created is reported, even in /proc', async () => {
  await expect(reported({report: ['junit=/proc/x/y.xml']})).rejects.toThrow('cannot write /proc/x/y.xml')
})
