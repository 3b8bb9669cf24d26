/** What a consumer is changed to. */
import {changeFlags, unsetChanges} from '../../lib/cli/flags/change.ts'
import type {FlagValues} from '../../lib/cli/flags/kinds.ts'
import {BusError} from '../../lib/core/errors.ts'
import type {ConsumerChanges, ConsumerConfig} from '../../lib/transport/streams-contract.ts'
import {consumerSettingFlags, consumerSettings} from './settings.ts'

const editFlags = {...consumerSettingFlags, ...changeFlags}
const names = {
  filter: 'filters',
  'ack-wait': 'ackWaitMs',
  'max-deliver': 'maxDeliver',
  'max-ack-pending': 'maxAckPending',
  backoff: 'backoffMs',
  description: 'description',
  metadata: 'metadata',
} as const
/** Members of a configuration that cannot be changed. */
const fixed = ['name', 'ack', 'deliver', 'durable', 'push', 'headersOnly', 'maxWaiting', 'priority', 'groups']

/** The changes of a file or of the editor, then those of the flags. */
export async function editedConsumer(
  config: ConsumerConfig,
  flags: FlagValues<typeof editFlags>,
  signal: AbortSignal,
): Promise<ConsumerChanges> {
  const {name: _, deliver: _deliver, ...given} = consumerSettings(config.name, undefined, flags)
  const changes = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const whole = await wholeConfig(config, flags, signal)
  return {...(whole && wholeChanges(whole)), ...unsetChanges(flags.unset ?? [], names), ...changes}
}

async function wholeConfig(config: ConsumerConfig, flags: FlagValues<typeof changeFlags>, signal: AbortSignal) {
  if (flags.config === undefined && !flags.interactive) return undefined
  const {editConfig, readConfig} = await import('../../lib/cli/io/config-file.ts')
  const shown = Object.entries(config).filter(([name]) => !fixed.includes(name))
  return flags.config === undefined
    ? editConfig(config.name, Object.fromEntries(shown))
    : readConfig(flags.config, signal)
}

/** The changes that lead to this configuration, whatever the consumer has. Throws `usage` for an unknown setting. */
export function wholeChanges(config: Readonly<Record<string, unknown>>): ConsumerChanges {
  const entries = Object.entries(config).filter(([name]) => !fixed.includes(name))
  const known: readonly string[] = Object.values(names)
  const stray = entries.find(([name]) => !known.includes(name) && name !== 'other')
  if (stray !== undefined)
    throw new BusError('usage', `a consumer has no setting ${JSON.stringify(stray[0])}`, {
      try: ['bus consumer info --json'],
    })
  return {...Object.fromEntries(known.map((name) => [name, undefined])), ...Object.fromEntries(entries)}
}
