/** Which reports there are, by the flags: one for people, those of `--report`, and what `--record` keeps. */
import {mkdirSync, renameSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {dirname} from 'node:path'
import type {ChalkInstance} from 'chalk'
import type {CheckEvent, Reporter} from '../../../lib/checks/events.ts'
import {fileError} from '../../../lib/cli/io/input.ts'
import {BusError} from '../../../lib/core/errors.ts'
import {nearest} from '../../../lib/core/text/nearest.ts'
import {checksJson} from '../plan.ts'
import {collectRounds, type Rounds} from './rounds.ts'

export interface ReportFlags {
  readonly report?: readonly string[] | undefined
  readonly record?: string | undefined
  readonly json: boolean
  readonly quiet: boolean
}

export interface ReportScreen {
  /** stdout. */
  readonly output: {write(text: string): void; ready(): unknown}
  /** Writes talk to stderr. */
  readonly tell: (text: string) => void
  readonly env: NodeJS.ProcessEnv
  readonly isTerminal: (fd: 1 | 2) => boolean
  readonly paint: (fd: 1 | 2) => Promise<ChalkInstance | undefined>
  readonly columns: (fd: 1 | 2) => number | undefined
}

const kinds = ['junit', 'tap', 'json', 'github', 'prometheus'] as const
type Kind = (typeof kinds)[number]

interface Wanted {
  readonly kind: Kind
  /** Absent: stdout. */
  readonly path: string | undefined
}

/**
 * Fails with `usage` for a report that there is not, or two on stdout, and with `denied` for a file that cannot be written.
 * Annotations for GitHub go beside the lines for people; any other report on stdout sends these to stderr.
 */
export async function makeReporters(flags: ReportFlags, screen: ReportScreen): Promise<Reporter[]> {
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
    if (!flags.quiet) screen.tell(`${line}\n`)
  }
  return [
    ...(fd === 2 && (flags.quiet || flags.json) ? [] : [await forPeople(fd, screen)]),
    ...(await Promise.all(wanted.map((one) => reporterOf(one, screen)))),
    ...(flags.record === undefined ? [] : [recordingReporter(flags.record, say)]),
  ]
}

/** `junit=report.xml`, `tap`. Throws `usage`. */
function parseReport(text: string): Wanted {
  const [, name = '', path] = /^([^=]*)(?:=(.*))?$/s.exec(text) ?? []
  const kind = kinds.find((known) => known === name)
  if (kind !== undefined && path !== '') return {kind, path}
  const meant = nearest(name, kinds)
  throw new BusError('usage', kind ? `--report ${text} names no file` : `there is no report "${name}"`, {
    try: meant === undefined ? kinds.map((known) => `--report ${known}`) : [`--report ${meant}=FILE`],
  })
}

async function forPeople(fd: 1 | 2, screen: ReportScreen): Promise<Reporter> {
  const output = fd === 1 ? screen.output : {write: screen.tell, ready() {}}
  const paint = await screen.paint(fd)
  if (!screen.isTerminal(fd)) return (await import('./lines.ts')).linesReporter(output, paint)
  const {treeReporter} = await import('./tree.ts')
  const columns = screen.env['TERM'] === 'dumb' ? undefined : (screen.columns(fd) ?? 80)
  return treeReporter({output, paint, columns})
}

async function reporterOf({kind, path}: Wanted, screen: ReportScreen): Promise<Reporter> {
  const target = path === undefined ? screen.output : fileTarget(path)
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
          const texts = await Promise.all(results.map(({result}) => annotations(result, screen.env)))
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

interface Target {
  write(text: string): void
  ready(): unknown
  /** All of it is there. */
  done?(): void
}

function atTheEnd(target: Target, make: (rounds: Rounds) => Promise<string>): Reporter {
  const {rounds, tell} = collectRounds()
  return {tell, close: async () => write(target, await make(rounds), true)}
}

function write(target: Target, text: string, isLast = false): void {
  if (text !== '') {
    target.write(text)
    target.ready()
  }
  if (isLast) target.done?.()
}

/**
 * Whoever reads the file while it is written sees the one before it, whose mode it keeps; a new one is its owner's alone,
 * for messages may stand in it. The folder is made, and that it can be written is
 * tried before anything runs. What is no plain file, such as /dev/stderr, is written as it is.
 */
function fileTarget(path: string): Target {
  let text = ''
  const before = statSync(path, {throwIfNoEntry: false})
  const isPlain = before?.isFile() ?? true
  const mode = before === undefined ? 0o600 : before.mode & 0o777
  const beside = isPlain ? `${path}.${process.pid}.part` : path
  const put = (all: string) => {
    // Nothing that lies there already is written through.
    if (isPlain) rmSync(beside, {force: true})
    writeFileSync(beside, all, {mode, flag: isPlain ? 'wx' : 'w'})
  }
  guarded(path, () => {
    mkdirSync(dirname(path), {recursive: true, mode: 0o700})
    put('')
    if (isPlain) rmSync(beside)
  })
  return {
    write: (more) => {
      text += more
    },
    ready() {},
    done: () =>
      guarded(path, () => {
        put(text)
        if (isPlain) renameSync(beside, path)
      }),
  }
}

function guarded(path: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    throw fileError(error, 'write', path)
  }
}
