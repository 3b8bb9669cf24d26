/** Confirmation of changes that cannot be undone: a prompt on a terminal, or `--yes`. */
import {BusError} from '../../core/errors.ts'
import {isTerminal} from '../io/terminal.ts'
import {printable} from '../render/printable.ts'
import {prompting} from './prompt.ts'

/**
 * Resolves if the user agrees; `question` completes the prompt, for example `remove stream ORDERS with 12 messages`. Fails with
 * `usage` without a terminal, with `interrupted` if the answer is no.
 */
export async function confirm(question: string, {yes, signal}: {yes: boolean; signal: AbortSignal}): Promise<void> {
  if (yes) return
  if (!isTerminal(0) || !isTerminal(2)) {
    throw new BusError('usage', `confirmation is needed to ${question}: pass --yes`, {try: ['--yes']})
  }
  const {default: ask} = await import('@inquirer/confirm')
  const answer = await prompting(() =>
    ask({message: `${printable(question)}?`, default: false}, {output: process.stderr, signal}),
  )
  if (!answer) throw new BusError('interrupted', 'cancelled')
}
