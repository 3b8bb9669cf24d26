/** `bus doctor`: examines the installation and then a bus, and reports each finding as it is made. */

import {chmodSync, existsSync, statSync} from 'node:fs'
import {dirname} from 'node:path'
import {spread} from '../../lib/cli/render/summary.ts'
import {counted, formatDuration} from '../../lib/cli/render/units.ts'
import {usedContext} from '../../lib/cli/target/bus.ts'
import {type ContextEntry, contextFolder, listEntries, readEntry} from '../../lib/cli/target/context-files.ts'
import {configFolder} from '../../lib/cli/target/urls.ts'
import {BusError, isFailure} from '../../lib/core/errors.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import type {Facts, Transport} from '../../lib/transport/contract.ts'
import type {Examination} from '../../lib/transport/examination.ts'
import {fileIn, isServer, shownBus} from '../../lib/transport/schemes.ts'
import {areServers} from '../../lib/transport/server-urls.ts'
import {connectionFindings, examineServers, resolveHosts} from './connection.ts'
import {fileFindings} from './file.ts'
import {type Finding, failure, good, type ReportFinding, warning} from './finding.ts'
import {examineSpeed, examineStreams} from './streams.ts'

export interface DoctorOptions {
  readonly url: string
  readonly why: string
  readonly version: string
  readonly env: NodeJS.ProcessEnv
  readonly fix: boolean
  readonly inboxPrefix?: string | undefined
  open(): Promise<Transport>
  readonly report: ReportFinding
  readonly repaired: (did: string) => void
}

/** What `--json` prints. */
export interface DoctorReport {
  readonly url: string
  /** Whether there are no failures. */
  readonly healthy: boolean
  readonly findings: readonly Finding[]
  /** What `--fix` did. */
  readonly repaired: readonly string[]
  readonly facts?: BusFacts | undefined
}

interface BusFacts extends Omit<Facts, 'roundTripsMs'>, Examination {
  readonly roundTripMs: {readonly min: number; readonly median: number; readonly max: number}
}

/** Returns the findings, and the error if the bus could not be opened. */
export async function diagnose(
  options: DoctorOptions,
): Promise<{document: DoctorReport; unopened: BusError | undefined}> {
  const findings: Finding[] = []
  const repaired: string[] = []
  const report: ReportFinding = (finding) => {
    findings.push(finding)
    options.report(finding)
  }
  const repair = (did: string) => {
    repaired.push(did)
    options.repaired(did)
  }
  examineInstallation(options, report, options.fix ? repair : undefined)
  const {facts, unopened} = await examineBus(options, report, repair)
  const healthy = findings.every(({verdict}) => verdict !== 'failure')
  return {document: {url: shownBus(options.url), healthy, findings, repaired, facts}, unopened}
}

type BusExamination = {readonly facts?: BusFacts; readonly unopened?: BusError}

async function examineBus(
  options: DoctorOptions,
  report: ReportFinding,
  repair: (did: string) => void,
): Promise<BusExamination> {
  const {url, why} = options
  const shown = shownBus(url)
  const path = fileIn(url)?.path
  if (path !== undefined && !existsSync(path)) {
    report(good('bus', `${shown} (${why}): the file does not exist yet; the first command that uses it creates it`))
    return {}
  }
  if (isServer(url) && areServers(url)) {
    await resolveHosts(url, report)
    await examineServers(url, report)
  }
  const began = performance.now()
  const opened = await options.open().catch((error: unknown) => {
    if (isFailure(error, 'connect', 'denied')) return error
    throw error
  })
  if (opened instanceof BusError) {
    const about = opened.kind === 'denied' && isServer(url) ? 'login' : 'connect'
    report(failure(about, opened.message, ...opened.try))
    return {unopened: opened}
  }
  await using bus = opened
  report(good('connect', `${shown} (${why}), in ${formatDuration(performance.now() - began)}`))
  if (options.fix) for (const did of (await bus.repair?.()) ?? []) repair(did)
  return {facts: await examineOpened(bus, options, report)}
}

async function examineOpened(bus: Transport, {inboxPrefix}: DoctorOptions, report: ReportFinding): Promise<BusFacts> {
  const [{roundTripsMs, ...facts}, examination = {}] = await Promise.all([bus.facts(), bus.examine?.()])
  const names = [facts.server, facts.cluster && `cluster ${facts.cluster}`].filter(Boolean).join(', ')
  const software = [facts.software, facts.version].filter(Boolean).join(' ')
  report(good('software', names === '' ? software : `${software}: ${names}`))
  for (const finding of connectionFindings(bus.url, {roundTripsMs, ...facts}, examination)) report(finding)
  for (const finding of examination.file === undefined ? [] : fileFindings(examination.file)) report(finding)
  const isDamaged = Boolean(examination.file?.damage.length)
  if (isDamaged) report(warning('streams', 'not examined: the file is damaged'))
  // At the same time, for the sake of servers that are far away.
  const [speed] = await Promise.all([examineSpeed(bus, inboxPrefix), isDamaged || examineStreams(bus, report)])
  if (speed !== undefined) report(speed)
  return {...facts, ...examination, roundTripMs: spread(roundTripsMs)}
}

/** With `repair`, permissions are fixed and each fix is reported to it. */
function examineInstallation(
  {version, env}: DoctorOptions,
  report: ReportFinding,
  repair?: (did: string) => void,
): void {
  report(good('busline', `${version}, ${dirname(dirname(process.argv[1] ?? ''))}`))
  report(good('Node', `${process.version}, ${process.execPath}, ${process.platform} ${process.arch}`))
  const entries = listEntries(env)
  const ours = contextFolder('busline', env)
  report(good('contexts', `${counted(entries.length, 'context')}; those of busline are in ${ours}`))
  for (const entry of entries) for (const finding of contextFindings(entry)) report(finding)
  const used = usedContext(env)
  if (used !== undefined && entries.every(({name}) => name !== used))
    report(failure('contexts', `the selected context ${used} does not exist`, 'bus context use --none'))
  const own = entries.filter(({from}) => from === 'busline').map(({path}) => path)
  for (const path of [`${configFolder(env)}/busline`, ours, ...own]) examinePath(path, report, repair)
}

function contextFindings(entry: ContextEntry): Finding[] {
  try {
    readEntry(entry)
    return []
  } catch (error) {
    const hints = entry.from === 'busline' ? [`correct or remove ${shellWord(entry.path)}`] : []
    return [warning('contexts', (error as Error).message, ...hints)]
  }
}

/** Checks that only the owner has access to a file or folder. */
function examinePath(path: string, report: ReportFinding, repair?: (did: string) => void): void {
  const stat = statSync(path, {throwIfNoEntry: false})
  if (process.platform === 'win32' || stat === undefined || (stat.mode & 0o077) === 0) return
  const mode = stat.isDirectory() ? 0o700 : 0o600
  const chmod = `chmod ${mode.toString(8)} ${shellWord(path)}`
  if (repair === undefined)
    report(warning('permissions', `${path} is accessible to other users`, chmod, 'bus doctor --fix'))
  else {
    chmodSync(path, mode)
    repair(chmod)
  }
}
