/** Expected failures on every bus: one sentence, one kind, and what to try next. */
export {BusError, exitCodes, type FailureCode, type FailureDetails, type FailureKind} from '../lib/core/errors.ts'
