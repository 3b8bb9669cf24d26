/** From the flags of `serve` and `rpc serve` to the handler of requests. */

import {BusError} from '../../core/errors.ts'
import type {Headers} from '../../core/message.ts'
import {programTimeoutMs} from '../../core/process/exec.ts'
import {shellWord} from '../../core/text/shell-word.ts'
import {
  delayed,
  echo,
  expression,
  failing,
  fixed,
  program,
  type RequestHandler,
  withHeaders,
} from '../../messaging/pubsub/handlers.ts'
import {compileTemplate, type Maker} from '../../messaging/pubsub/template.ts'
import {checkProgram} from '../base/program.ts'
import {readBody} from '../io/input.ts'
import type {answerFlags} from './answer.ts'
import type {bodyFlags} from './body.ts'
import type {FlagValues} from './kinds.ts'

export type ServeFlags = FlagValues<typeof answerFlags & Omit<typeof bodyFlags, 'reply' | 'size'>> & {
  readonly subject: string
  readonly body?: string | undefined
}

export interface ExecOptions {
  readonly argv: readonly string[]
  readonly path: string
  /** Kills running programs. */
  readonly kill: AbortSignal
  readonly onStderr?: ((chunk: Uint8Array) => void) | undefined
}

/** The handler that the flags describe, with everything read and compiled. Fails with `usage`. */
export async function chooseHandler(
  flags: ServeFlags,
  exec: ExecOptions,
  signal: AbortSignal,
): Promise<RequestHandler> {
  checkFlags(flags)
  const {header = [], delay, fail, template} = flags
  const hasBody = flags.body !== undefined || flags.file !== undefined
  const data = hasBody ? await readBody(flags, signal) : undefined
  const pattern = {subject: 'reply', data, headers: header}
  const make = template ? compileTemplate(pattern) : () => pattern
  const plain = hasBody ? fixed(() => replyOf(make)) : await computed(flags, exec)
  const headed = hasBody || header.length === 0 ? plain : withHeaders(plain, () => make().headers ?? [])
  const faulty = fail === undefined ? headed : failing(headed, fail, Math.random)
  return delay === undefined ? faulty : delayed(faulty, delay, Math.random)
}

function checkFlags(flags: ServeFlags): void {
  const sources = {
    'the argument': flags.body !== undefined,
    '--file': flags.file !== undefined,
    '--echo': flags.echo,
    '--expr': flags.expr !== undefined,
    '--exec': flags.exec,
  }
  const [first, second] = Object.entries(sources).flatMap(([name, given]) => (given ? [name] : []))
  if (second !== undefined) {
    throw new BusError('usage', `the reply is given twice, by ${first} and by ${second}`, {
      try: ['leave one of them out'],
    })
  }
  if (first === undefined) {
    throw new BusError('usage', `no reply is given for "${flags.subject}"`, {
      try: [
        `bus serve ${shellWord(flags.subject)} 'a reply'`,
        '--echo',
        "--expr 'json.total * 2'",
        '--exec -- jq .total',
      ],
    })
  }
}

async function computed(flags: ServeFlags, {argv, path, kill, onStderr}: ExecOptions): Promise<RequestHandler> {
  if (flags.expr !== undefined) return expression(flags.expr)
  if (!flags.exec) return echo()
  checkProgram(argv, path)
  return program({argv, timeoutMs: flags['exec-timeout'] ?? programTimeoutMs, signal: kill, onStderr})
}

function replyOf(make: Maker): {data: Uint8Array | string; headers: Headers | undefined} {
  const {data = '', headers} = make()
  return {data, headers}
}
