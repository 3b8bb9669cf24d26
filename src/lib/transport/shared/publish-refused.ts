import {BusError} from '../../core/errors.ts'

/** Largest number of further refusals that one failure keeps. */
const mostFurther = 10_000

/** The failure of a published message that the server refuses, with those of messages that it refused before a flush reported it. */
export class PublishRefused extends BusError {
  readonly further: PublishRefused[] = []
  constructor(sentence: string, subject: string | undefined, cause: unknown) {
    super('denied', sentence, {cause, data: {subject}})
  }

  add(other: PublishRefused): void {
    if (this.further.length < mostFurther) this.further.push(other)
  }
}
