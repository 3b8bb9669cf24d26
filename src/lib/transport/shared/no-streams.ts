import {BusError} from '../../core/errors.ts'
import type {Streams} from '../streams-contract.ts'

/** The streams of a bus that keeps none: everything fails with `notFound`. */
export function noStreams(url: string): Streams {
  const refusal = () => new BusError('notFound', `${url} keeps no streams`)
  const refuse = () => Promise.reject(refusal())
  return {
    add: refuse,
    info: refuse,
    list: refuse,
    keeping: refuse,
    subjects: refuse,
    remove: refuse,
    purge: refuse,
    publish: refuse,
    publisher() {
      throw refusal()
    },
    get: refuse,
    last: refuse,
    read: refuse,
    consumers: {add: refuse, info: refuse, list: refuse, remove: refuse, reset: refuse, consume: refuse},
  }
}
