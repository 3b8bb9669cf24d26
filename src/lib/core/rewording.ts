import {BusError, type FailureDetails} from './errors.ts'

/** The same failure in another sentence, with further data. */
export function reworded(error: BusError, sentence: string, data?: FailureDetails['data']): BusError {
  return new BusError(error.kind, sentence, {cause: error, try: error.try, data: {...error.data, ...data}})
}
