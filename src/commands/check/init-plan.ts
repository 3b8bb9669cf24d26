/** `check init`: drafts a check file from what is on a bus, runs it there and keeps what passes. */
import {type Draft, draftOf, draftText, type Findings} from '../../lib/checks/draft.ts'
import type {CheckResult} from '../../lib/checks/events.ts'
import {loadFile} from '../../lib/checks/load.ts'
import {prompting, validation} from '../../lib/cli/base/prompt.ts'
import type {BusFlags} from '../../lib/cli/target/bus.ts'
import {BusError, interruptedError} from '../../lib/core/errors.ts'
import {checkSubject} from '../../lib/core/subject.ts'
import {type CheckConsole, runChecks} from './plan.ts'

export interface InitAnswers {
  readonly path: string
  readonly name: string
  /** Subjects to send a request to. */
  readonly subjects: readonly string[]
}

interface InitOptions {
  readonly path: string | undefined
  readonly name: string | undefined
  readonly subjects: readonly string[]
}

const defaultPath = 'checks/bus.yaml'
const defaultName = 'the bus'

/** Prompts for everything if neither a flag nor an argument was given. Fails with `interrupted` on Ctrl-C. */
export async function askForInit(options: InitOptions, mayAsk: boolean, signal: AbortSignal): Promise<InitAnswers> {
  const {path = defaultPath, name = defaultName, subjects} = options
  const isGiven = options.path !== undefined || options.name !== undefined || subjects.length > 0
  if (!mayAsk || isGiven) return {path, name, subjects}
  const {default: input} = await import('@inquirer/input')
  const on = {output: process.stderr, signal}
  const validate = validation((answer) => answer === '' || checkSubject(answer))
  return await prompting(async () => {
    const givenPath = await input({message: 'File:', default: path}, on)
    const givenName = await input({message: 'Name:', default: name}, on)
    const found: string[] = []
    for (;;) {
      const message = found.length === 0 ? 'Subject to send an empty request to (none):' : 'Another subject (none):'
      const subject = await input({message, validate}, on)
      if (subject === '') return {path: givenPath, name: givenName, subjects: found}
      found.push(subject)
    }
  })
}

export interface TriedDraft {
  readonly text: string
  readonly kept: readonly CheckResult[]
  readonly left: readonly CheckResult[]
}

/** Runs the draft on the bus of the flags. Fails with `expectation` if nothing passes. */
export async function tryDraft(
  {path, name}: InitAnswers,
  findings: Findings,
  flags: BusFlags & {readonly timeout: number},
  console: Omit<CheckConsole, 'reporters'>,
): Promise<TriedDraft> {
  const draft = draftOf(findings)
  const file = await loadFile(path, draftText(name, draft))
  const options = {...flags, paths: [], tag: [], only: [], var: [], jobs: 1, repeat: 1, bail: false}
  const [end] = await runChecks(options, [file], {...console, reporters: []})
  if (end === undefined || end.stoppedBy === 'interrupt') throw interruptedError()
  const results = end.files.flatMap((one) => one.results)
  const kept: Draft = draft.filter((_check, at) => results[at]?.status === 'passed')
  const left = results.filter(({status}) => status !== 'passed')
  if (kept.length === 0) {
    throw new BusError('expectation', 'none of the drafted checks passes, so no file was written', {
      try: left.flatMap(({failures}) => failures.map(({sentence}) => sentence)).slice(0, 3),
    })
  }
  const text = draftText(name, kept)
  return {text, kept: results.filter(({status}) => status === 'passed'), left}
}
