/** What cannot be undone is asked for on a terminal, and elsewhere done only with `--yes`. */
import {BusError} from '../../core/errors.ts'
import {isTerminal} from '../io/terminal.ts'
import {prompting} from './prompt.ts'

/**
 * Resolves when it may be done; `question` is what a person is asked, as `remove stream ORDERS with 12 messages`. Fails
 * with `usage` where nobody can be asked, with `interrupted` when the answer is no.
 */
export async function confirm(question: string, {yes, signal}: {yes: boolean; signal: AbortSignal}): Promise<void> {
  if (yes) return
  if (!isTerminal(0) || !isTerminal(2)) {
    throw new BusError('usage', `this would ${question}; without a terminal to ask on it needs --yes`, {try: ['--yes']})
  }
  const {default: ask} = await import('@inquirer/confirm')
  const answer = await prompting(() => ask({message: `${question}?`, default: false}, {output: process.stderr, signal}))
  if (!answer) throw new BusError('interrupted', 'cancelled')
}
