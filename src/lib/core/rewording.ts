import {BusError, type FailureDetails} from './errors.ts'

/** The same failure with a different sentence and additional data. */
export function reworded(error: BusError, sentence: string, data?: FailureDetails['data']): BusError {
  return new BusError(error.kind, sentence, {
    code: error.code,
    cause: error,
    try: error.try,
    data: {...error.data, ...data},
  })
}
