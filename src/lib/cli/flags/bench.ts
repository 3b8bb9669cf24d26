/** What is measured. */
import {count, toggle} from './kinds.ts'

export const msgs = count('how many in all')

export const subjects = count('number of subjects: SUBJECT.1, SUBJECT.2, … (default: 1)')

export const batchSize = count('messages to pass to the bus at a time (default: 1000)')

export const withServe = toggle('also run the server side')
