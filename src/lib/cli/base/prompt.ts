/** What prompts have in common. */
import {BusError, interruptedError} from '../../core/errors.ts'

/** Runs prompts of @inquirer. Fails with `interrupted` on Ctrl-C. */
export async function prompting<T>(prompts: () => Promise<T>): Promise<T> {
  try {
    return await prompts()
  } catch (error) {
    if (error instanceof Error && /^(Exit|Abort)PromptError$/.test(error.name)) throw interruptedError()
    throw error
  }
}

/** The `validate` function of a prompt: the sentence of the usage error that `check` throws is shown. */
export function validation(check: (answer: string) => unknown): (answer: string) => true | string {
  return (answer) => {
    try {
      check(answer)
      return true
    } catch (error) {
      if (error instanceof BusError) return error.message
      throw error
    }
  }
}
