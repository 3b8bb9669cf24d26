/** `bus doctor`: looks at the installation, then at a bus, and says what it finds as it finds it. */
import {existsSync} from 'node:fs'
import {formatDuration} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {withoutSecrets} from '../../lib/core/secrets.ts'
import type {Facts, Transport} from '../../lib/transport/contract.ts'
import type {Examination} from '../../lib/transport/examination.ts'
import {isServer} from '../../lib/transport/open.ts'
import {connectionFindings, resolveHosts, spread} from './connection.ts'
import {fileFindings} from './file.ts'
import {type Finding, failure, ok, type Tell, warning} from './finding.ts'
import {examineInstallation} from './installation.ts'
import {examineSpeed, examineStreams} from './streams.ts'

export interface DoctorWishes {
  readonly url: string
  readonly why: string
  readonly version: string
  readonly env: NodeJS.ProcessEnv
  readonly fix: boolean
  readonly inboxPrefix?: string | undefined
  open(): Promise<Transport>
  readonly tell: Tell
  readonly repaired: (did: string) => void
}

/** What `--json` prints. */
export interface DoctorReport {
  readonly url: string
  /** Nothing failed. */
  readonly healthy: boolean
  readonly findings: readonly Finding[]
  /** What `--fix` did. */
  readonly repaired: readonly string[]
  readonly facts?: BusFacts | undefined
}

interface BusFacts extends Omit<Facts, 'roundTripsMs'>, Examination {
  readonly roundTripMs: {readonly min: number; readonly median: number; readonly max: number}
}

/** Answers what was found, and why the bus could not be opened if it could not. */
export async function diagnose(wishes: DoctorWishes): Promise<{report: DoctorReport; unopened: BusError | undefined}> {
  const findings: Finding[] = []
  const repaired: string[] = []
  const tell: Tell = (finding) => {
    findings.push(finding)
    wishes.tell(finding)
  }
  const repair = (did: string) => {
    repaired.push(did)
    wishes.repaired(did)
  }
  examineInstallation(wishes, tell, wishes.fix ? repair : undefined)
  const {facts, unopened} = await examineBus(wishes, tell, repair)
  const healthy = findings.every(({verdict}) => verdict !== 'failure')
  return {report: {url: withoutSecrets(wishes.url), healthy, findings, repaired, facts}, unopened}
}

type Looked = {readonly facts?: BusFacts; readonly unopened?: BusError}

async function examineBus(wishes: DoctorWishes, tell: Tell, repair: (did: string) => void): Promise<Looked> {
  const {url, why} = wishes
  const shown = withoutSecrets(url)
  const path = /^(?:sqlite|libbus):(.*)$/.exec(url)?.[1] ?? (url.includes(':') ? undefined : url)
  if (path !== undefined && !existsSync(path)) {
    tell(ok('bus', `${shown} (${why}): there is no file yet; the first command that uses it makes it`))
    return {}
  }
  if (isServer(url)) await resolveHosts(url, tell)
  const began = performance.now()
  const opened = await wishes.open().catch((error: unknown) => {
    if (error instanceof BusError && (error.kind === 'connect' || error.kind === 'denied')) return error
    throw error
  })
  if (opened instanceof BusError) {
    const about = opened.kind === 'denied' && isServer(url) ? 'login' : 'connect'
    tell(failure(about, opened.message, ...opened.try))
    return {unopened: opened}
  }
  await using bus = opened
  tell(ok('connect', `${shown} (${why}), in ${formatDuration(performance.now() - began)}`))
  if (wishes.fix) for (const did of (await bus.mend?.()) ?? []) repair(did)
  return {facts: await examineOpened(bus, wishes, tell)}
}

async function examineOpened(bus: Transport, {inboxPrefix}: DoctorWishes, tell: Tell): Promise<BusFacts> {
  const {roundTripsMs, ...facts} = await bus.facts()
  const examination = (await bus.examine?.()) ?? {}
  const names = [facts.server, facts.cluster && `cluster ${facts.cluster}`].filter(Boolean).join(', ')
  const software = [facts.software, facts.version].filter(Boolean).join(' ')
  tell(ok('software', names === '' ? software : `${software}: ${names}`))
  for (const finding of connectionFindings(bus.url, {roundTripsMs, ...facts}, examination)) tell(finding)
  for (const finding of examination.file === undefined ? [] : fileFindings(examination.file)) tell(finding)
  if (examination.file?.damage.length) tell(warning('streams', 'not looked at: the file is damaged'))
  else await examineStreams(bus, tell)
  const speed = await examineSpeed(bus, inboxPrefix)
  if (speed !== undefined) tell(speed)
  return {...facts, ...examination, roundTripMs: spread(roundTripsMs)}
}
