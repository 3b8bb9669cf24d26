/** Flags of commands that show a table. */
import {duration, toggle, variant} from './kinds.ts'
import {pacingFlags} from './pacing.ts'

export const tableFlags = {all: toggle('print all rows on a terminal, not the first 200')}

export const watchFlags = {
  watch: toggle('keep running, and show it again and again'),
  every: duration('with --watch: interval (default: 1s)', {dependsOn: ['watch']}),
  for: variant(pacingFlags.for, {description: 'with --watch: end after this long', dependsOn: ['watch']}),
}
