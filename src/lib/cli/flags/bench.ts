/** What to measure. */
import {count, percent, text, toggle} from './kinds.ts'

export const benchFlags = {
  msgs: count('how many in all'),
  subjects: count('number of subjects: SUBJECT.1, SUBJECT.2, … (default: 1)'),
  batch: count('messages to pass to the bus at a time (default: 1000, or 8 MiB of them)'),
  'with-sub': toggle('also subscribe, and measure delivery times'),
  'with-serve': toggle('also run the server side'),
  clients: count('number of clients, each in its own process (default: 1)'),
  csv: toggle('print CSV with a header line and one line per side', {exclusive: ['json']}),
  baseline: text('compare with the --json output of an earlier run; exit code 9 if this run is slower', '<path>'),
  'max-regression': percent('how much slower than the baseline it may be (default: 10%)', {dependsOn: ['baseline']}),
  frames: count('frames per response stream (default: 1)'),
}
