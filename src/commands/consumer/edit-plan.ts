/** What a consumer is changed to. */
import {changeFlags, joinedChanges, unsetChanges} from '../../lib/cli/flags/change.ts'
import type {FlagValues} from '../../lib/cli/flags/kinds.ts'
import {
  consumerOptionNames,
  consumerSettingNames,
  fixedSettings,
  wholeChanges,
} from '../../lib/messaging/stored/whole-config.ts'
import type {
  ConsumerChanges,
  ConsumerConfig,
  ConsumerSettings,
  DeliverPolicy,
} from '../../lib/transport/streams-contract.ts'
import {consumerSettingFlags, consumerSettings, parseDeliver} from './settings.ts'

const editFlags = {...consumerSettingFlags, ...changeFlags}
/** The changes of a file or of the editor, then those of the flags. */
export async function editedConsumer(
  config: ConsumerConfig,
  flags: FlagValues<typeof editFlags>,
  signal: AbortSignal,
): Promise<ConsumerChanges> {
  const {name: _, deliver: _deliver, ...given} = consumerSettings(config.name, undefined, flags)
  const changes = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const whole = await wholeConfig(config, flags, signal)
  return joinedChanges(
    whole === undefined ? {} : wholeChanges(whole, config),
    unsetChanges(flags.unset ?? [], {settings: consumerSettingNames, options: consumerOptionNames}),
    changes,
  )
}

async function wholeConfig(config: ConsumerConfig, flags: FlagValues<typeof changeFlags>, signal: AbortSignal) {
  if (flags.config === undefined && !flags.interactive) return undefined
  const {editConfig, readConfig} = await import('../../lib/cli/io/config-file.ts')
  const shown = Object.entries(config).filter(([name]) => !fixedSettings.includes(name))
  return flags.config === undefined
    ? editConfig(config.name, Object.fromEntries(shown))
    : readConfig(flags.config, signal)
}

/** The settings of a new consumer from a file. Throws `usage` for an unknown setting and for what cannot be chosen here. */
export async function configSettings(path: string, signal: AbortSignal): Promise<Omit<ConsumerSettings, 'name'>> {
  const {readConfig} = await import('../../lib/cli/io/config-file.ts')
  const config = await readConfig(path, signal)
  const {ack, deliver, headersOnly, maxWaiting, priority, groups} = config
  const {other, ...settings} = wholeChanges(config)
  const options = {
    ...other,
    ...(headersOnly !== undefined && {headers_only: headersOnly}),
    ...(maxWaiting !== undefined && {max_waiting: maxWaiting}),
    ...(priority !== undefined && {priority_policy: priority}),
    ...(groups !== undefined && {priority_groups: groups}),
  }
  return {
    ...settings,
    ...(ack !== undefined && {ack: ack as 'explicit'}),
    ...(deliver !== undefined && {deliver: deliverOf(deliver)}),
    ...(Object.keys(options).length > 0 && {other: options}),
  }
}

/** As `info --json` prints it: a word, `{"seq"}` or `{"time"}`. */
function deliverOf(deliver: unknown): DeliverPolicy {
  if (typeof deliver === 'string') return deliver === 'lastPerSubject' ? deliver : parseDeliver(deliver)
  const {seq, time} = deliver as {readonly seq?: unknown; readonly time?: unknown}
  if (typeof seq === 'number') return {seq}
  return parseDeliver(`@${String(time)}`)
}

export function withoutAbsent<T extends object>(settings: T): {[K in keyof T]?: Exclude<T[K], undefined>} {
  const given = Object.entries(settings).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as {[K in keyof T]?: Exclude<T[K], undefined>}
}
