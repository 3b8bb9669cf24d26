import type {BusError} from '../core/errors.ts'
import type {Message} from '../core/message.ts'
import type {Transport} from '../transport/contract.ts'
import type {Failure} from './events.ts'
import type {Check} from './file.ts'
import type {Tools} from './tools.ts'
import type {Variables} from './variables.ts'

/** What a check stands on while it is tried. */
export interface Ground {
  readonly bus: Transport
  readonly tools: Tools
  readonly variables: Variables
  /** Of its file, for paths in it. */
  readonly folder: string
  /** Ends what waits: Ctrl-C, and the end of its time. */
  readonly signal: AbortSignal
  /** Milliseconds to wait for the other side: what is asked for, a default, and never more than the check has left. */
  readonly waitMs: (asked: string | undefined, default_?: string) => number
  /** Keeps a message for the report. */
  readonly saw: (message: Message) => void
  /** Runs the steps of `do`; what did not hold in them. */
  readonly runSteps: (steps: readonly Check[]) => Promise<readonly Failure[]>
}

/** What came of it. */
export interface Outcome {
  /** What expressions see beside `status`, `error`, `ms` and `vars`. */
  readonly result: object
  /** A failure after which there is still something to judge, as a service error or too few replies. */
  readonly error?: BusError | undefined
  /** Bounds of the check itself that do not hold, as sentences. */
  readonly misses?: readonly string[] | undefined
  /** Failures of its steps. */
  readonly failures?: readonly Failure[] | undefined
  /** The message that a report should show. */
  readonly message?: Message | undefined
}
