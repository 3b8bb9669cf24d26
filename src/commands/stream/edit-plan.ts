/** What a stream is changed to, and what that removes. */
import {changeFlags, unsetChanges} from '../../lib/cli/flags/change.ts'
import type {FlagValues} from '../../lib/cli/flags/kinds.ts'
import {counted, formatBytes} from '../../lib/cli/render/units.ts'
import {enumeration} from '../../lib/core/text/enumeration.ts'
import {durationText} from '../../lib/core/time/duration.ts'
import type {StreamChanges, StreamConfig, StreamInfo, Streams} from '../../lib/transport/streams-contract.ts'
import {configChanges, streamChanges, streamSettingFlags, streamSettingNames} from './setting-flags.ts'

const editFlags = {...streamSettingFlags, ...changeFlags}

/** The changes of a file or of the editor, then those of the flags. */
export async function editedChanges(
  config: StreamConfig,
  subjects: readonly string[] | undefined,
  flags: FlagValues<typeof editFlags>,
  signal: AbortSignal,
): Promise<StreamChanges> {
  const whole = await wholeConfig(config, flags, signal)
  return {
    ...(whole && configChanges(whole)),
    ...unsetChanges(flags.unset ?? [], streamSettingNames),
    ...streamChanges(subjects, flags),
  }
}

async function wholeConfig(config: StreamConfig, flags: FlagValues<typeof changeFlags>, signal: AbortSignal) {
  if (flags.config === undefined && !flags.interactive) return undefined
  const {editConfig, readConfig} = await import('../../lib/cli/io/config-file.ts')
  return flags.config === undefined ? editConfig(config.name, {...config}) : readConfig(flags.config, signal)
}

/** The messages that the new limits remove, such as `12,400 messages`; undefined if they remove none. */
export async function lossText(
  streams: Streams,
  {config, state}: StreamInfo,
  changes: StreamChanges,
): Promise<string | undefined> {
  const {maxMsgs = Infinity, maxBytes = Infinity, maxAgeMs = Infinity, maxMsgsPerSubject: most} = changes
  const {messages, bytes, firstTime = Infinity} = state
  let beyond = Math.max(0, messages - maxMsgs)
  if (most !== undefined && most < (config.maxMsgsPerSubject ?? Infinity)) {
    const counts = [...(await streams.subjects(config.name)).values()]
    beyond = Math.max(
      beyond,
      counts.reduce((sum, count) => sum + Math.max(0, count - most), 0),
    )
  }
  const losses = [
    ...(beyond > 0 ? [counted(beyond, 'message')] : []),
    ...(bytes > maxBytes ? [`the oldest ${formatBytes(bytes - maxBytes)}`] : []),
    ...(firstTime < Date.now() - maxAgeMs ? [`messages older than ${durationText(maxAgeMs)}`] : []),
  ]
  return enumeration(losses) || undefined
}
