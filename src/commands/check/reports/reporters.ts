/** The reports that the flags ask for: the usual text, those of `--report`, and that of `--record`. */
import {accessSync, constants, statSync} from 'node:fs'
import {dirname} from 'node:path'
import type {ChalkInstance} from 'chalk'
import type {CheckEvent, Reporter} from '../../../lib/checks/events.ts'
import {BusError} from '../../../lib/core/errors.ts'
import {fileError} from '../../../lib/core/file-error.ts'
import {makeFolder} from '../../../lib/core/folder.ts'
import {nearest} from '../../../lib/core/text/nearest.ts'
import {checkTrusted, openInPlace, replaceFile} from '../../../lib/core/trusted-file.ts'
import {checksJson} from '../plan.ts'
import {collectRounds, type ReportOutput, type Rounds} from './rounds.ts'

export interface ReportFlags {
  readonly report?: readonly string[] | undefined
  readonly record?: string | undefined
  readonly json: boolean
  readonly quiet: boolean
}

export interface ReportConsole {
  /** stdout. */
  readonly output: ReportOutput
  /** Writes to stderr. */
  readonly tell: (text: string) => void
  /** Like `output` or `tell`, for text that also moves the cursor. */
  readonly draw: (fd: 1 | 2, text: string) => void
  readonly env: NodeJS.ProcessEnv
  readonly isTerminal: (fd: 1 | 2) => boolean
  readonly paint: (fd: 1 | 2) => Promise<ChalkInstance | undefined>
  readonly columns: (fd: 1 | 2) => number | undefined
}

const reportKinds = ['junit', 'tap', 'json', 'github', 'prometheus'] as const
type ReportKind = (typeof reportKinds)[number]

interface ReportRequest {
  readonly kind: ReportKind
  /** Absent: stdout. */
  readonly path: string | undefined
}

/**
 * Fails with `usage` for an unknown report or two on stdout, and with `denied` for a file that cannot be written. The
 * usual text moves to stderr if stdout has a report other than annotations for GitHub.
 */
export async function makeReporters(flags: ReportFlags, console: ReportConsole): Promise<Reporter[]> {
  const wanted = (flags.report ?? []).map(parseReport)
  const onStdout = wanted.filter(({kind, path}) => path === undefined && kind !== 'github')
  if (onStdout.length + Number(flags.json) > 1) {
    const names = [...(flags.json ? ['--json'] : []), ...onStdout.map(({kind}) => `--report ${kind}`)]
    throw new BusError('usage', `${names.join(' and ')} would both write to stdout`, {
      try: [`--report ${onStdout.at(-1)?.kind}=FILE`],
    })
  }
  const fd = flags.json || onStdout.length > 0 ? 2 : 1
  const {recordingReporter} = await import('./recording.ts')
  const say = (line: string) => {
    if (!flags.quiet) console.tell(`${line}\n`)
  }
  return [
    ...(fd === 2 && (flags.quiet || flags.json) ? [] : [await forPeople(fd, console)]),
    ...(await Promise.all(wanted.map((one) => reporterOf(one, console, say)))),
    ...(flags.record === undefined ? [] : [recordingReporter(flags.record, say)]),
  ]
}

/** `junit=report.xml`, `tap`. Throws `usage`. */
function parseReport(text: string): ReportRequest {
  const [, name = '', path] = /^([^=]*)(?:=(.*))?$/s.exec(text) ?? []
  const kind = reportKinds.find((known) => known === name)
  if (kind !== undefined && path !== '') return {kind, path}
  const near = nearest(name, reportKinds)
  throw new BusError('usage', kind ? `--report ${text} has an empty file name` : `unknown report "${name}"`, {
    try: near === undefined ? reportKinds.map((known) => `--report ${known}`) : [`--report ${near}=FILE`],
  })
}

async function forPeople(fd: 1 | 2, console: ReportConsole): Promise<Reporter> {
  const output = fd === 1 ? console.output : {write: console.tell, ready() {}}
  const paint = await console.paint(fd)
  if (!console.isTerminal(fd)) return (await import('./lines.ts')).linesReporter(output, paint)
  const {treeReporter} = await import('./tree.ts')
  const columns = console.env['TERM'] === 'dumb' ? undefined : (console.columns(fd) ?? 80)
  return treeReporter({output: {write: (text) => console.draw(fd, text), ready: () => output.ready()}, paint, columns})
}

async function reporterOf(
  {kind, path}: ReportRequest,
  console: ReportConsole,
  say: (line: string) => void,
): Promise<Reporter> {
  const target = path === undefined ? console.output : fileTarget(path, say)
  switch (kind) {
    case 'tap': {
      const {tapWriter} = await import('./tap.ts')
      const tap = tapWriter()
      return {
        tell: (event) => write(target, tap.lines(event)),
        close: async () => write(target, tap.end(), true),
      }
    }
    case 'github': {
      const {annotations} = await import('./github.ts')
      const results: Extract<CheckEvent, {kind: 'checkEnd'}>[] = []
      return {
        tell: (event) => void (event.kind === 'checkEnd' && results.push(event)),
        close: async () => {
          const texts = await Promise.all(results.map(({result}) => annotations(result, console.env)))
          write(target, texts.join(''), true)
        },
      }
    }
    case 'junit': {
      const {junitReport} = await import('./junit.ts')
      return atTheEnd(target, junitReport)
    }
    case 'prometheus': {
      const {prometheusReport} = await import('./prometheus.ts')
      return atTheEnd(target, async (rounds) => prometheusReport(rounds))
    }
    case 'json':
      return atTheEnd(target, async ({ends}) => `${JSON.stringify(checksJson(ends))}\n`)
  }
}

interface ReportTarget extends ReportOutput {
  /** Called at the end of the report. */
  done?(): void
}

function atTheEnd(target: ReportTarget, make: (rounds: Rounds) => Promise<string>): Reporter {
  const {rounds, tell} = collectRounds()
  return {tell, close: async () => write(target, await make(rounds), true)}
}

function write(target: ReportTarget, text: string, isLast = false): void {
  if (text !== '') {
    target.write(text)
    target.ready()
  }
  if (isLast) target.done?.()
}

/**
 * Replaces the file atomically and keeps its mode; a new file is readable by its owner only, because it may contain
 * messages. The folder is created, and writing is tried before anything runs. Anything but a regular file, such as
 * /dev/stderr, is written in place.
 */
function fileTarget(path: string, say: (line: string) => void): ReportTarget {
  let text = ''
  const put = guarded(path, () => replacement(path, say))
  return {
    write: (more) => {
      text += more
    },
    ready() {},
    done: () => guarded(path, () => put(text)),
  }
}

function replacement(path: string, say: (line: string) => void): (text: string) => void {
  const before = statSync(path, {throwIfNoEntry: false})
  if (before?.isFile() === false) return openInPlace(path)
  if (before !== undefined) checkTrusted(before, 'write', path)
  if (makeFolder(dirname(path))) say(`created the folder ${dirname(path)}, which only you can open`)
  accessSync(dirname(path), constants.W_OK)
  // For root: the mode of another user's file is not copied.
  const mode = before?.uid === process.geteuid?.() ? (before?.mode ?? 0o600) & 0o777 : 0o600
  return (text) => replaceFile(path, text, mode)
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw fileError(error, 'write', path)
  }
}
