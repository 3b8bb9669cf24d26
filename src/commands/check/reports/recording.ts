/** `--record DIR`: the messages seen by failed checks, as records that `bus pub --records` can publish again. */
import {basename, join} from 'node:path'
import type {CheckResult, Reporter} from '../../../lib/checks/events.ts'
import {counted} from '../../../lib/cli/render/units.ts'
import {fileError} from '../../../lib/core/file-error.ts'
import {makeFolder} from '../../../lib/core/folder.ts'
import {recordWriter} from '../../../lib/core/record.ts'
import {replaceFile} from '../../../lib/core/trusted-file.ts'
import {isBad} from './rounds.ts'

const longestName = 80

/** Creates the folder immediately, so that an error comes before anything runs. `say` gets a line per file. */
export function recordingReporter(folder: string, say: (line: string) => void): Reporter {
  make(folder)
  const taken = new Set<string>()
  const results: CheckResult[] = []
  return {
    tell(event) {
      if (event.kind === 'checkEnd' && isBad(event.result) && event.result.messages.length > 0)
        results.push(event.result)
    },
    async close() {
      for (const {file, name, messages} of results) {
        const path = join(folder, freeName(`${slug(basename(file).replace(/\.ya?ml$/, ''))}-${slug(name)}`, taken))
        const write = recordWriter()
        writeTo(path, messages.map((message) => `${write(message)}\n`).join(''))
        say(`${counted(messages.length, 'message')} of "${name}" in ${path}`)
      }
    },
  }
}

/** A second check with the same name becomes `NAME-2`. */
function freeName(name: string, taken: Set<string>): string {
  let free = name
  for (let number = 2; taken.has(free); number++) free = `${name}-${number}`
  taken.add(free)
  return `${free}.ndjson`
}

function slug(text: string): string {
  const plain = text
    .normalize('NFKD')
    .replace(/[^\w.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
  return plain.slice(0, longestName).toLowerCase() || 'check'
}

function make(folder: string): void {
  try {
    makeFolder(folder)
  } catch (error) {
    throw fileError(error, 'write', folder)
  }
}

function writeTo(path: string, text: string): void {
  try {
    replaceFile(path, text)
  } catch (error) {
    throw fileError(error, 'write', path)
  }
}
