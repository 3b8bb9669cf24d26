import type {Hook} from '@oclif/core/hooks'
import {BusError} from '../lib/errors.ts'
import {nearest} from '../lib/nearest.ts'

/** An unknown command: says which one may have been meant. Never asks. */
const hook: Hook.CommandNotFound = async ({id, config}) => {
  const known = config.commandIDs.map((command) => command.replaceAll(':', ' '))
  const [first = '', second = ''] = id.split(':')
  const isTopic = known.some((command) => command.startsWith(`${first} `))
  // Without a topic, what follows the first word may be arguments: oclif joins all words when it knows none of them.
  const typed = isTopic ? `${first} ${second}` : first
  const meant = nearest(`${first} ${second}`, known) ?? nearest(first, known)
  throw new BusError('usage', `there is no command ${JSON.stringify(typed)}`, {
    try: [meant === undefined ? 'bus --help' : `bus ${meant}`],
  })
}

export default hook
