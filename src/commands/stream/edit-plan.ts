/** What a stream is changed to, and what that removes. */
import {changeFlags, joinedChanges, unsetChanges} from '../../lib/cli/flags/change.ts'
import type {FlagValues} from '../../lib/cli/flags/kinds.ts'
import {configChanges, streamOptionNames, streamSettingNames} from '../../lib/messaging/stored/whole-config.ts'
import type {StreamChanges, StreamConfig} from '../../lib/transport/streams-contract.ts'
import {streamChanges, streamSettingFlags} from './setting-flags.ts'

const editFlags = {...streamSettingFlags, ...changeFlags}

/** The changes of a file or of the editor, then those of the flags. */
export async function editedChanges(
  config: StreamConfig,
  subjects: readonly string[] | undefined,
  flags: FlagValues<typeof editFlags>,
  signal: AbortSignal,
): Promise<StreamChanges> {
  const whole = await wholeConfig(config, flags, signal)
  return joinedChanges(
    whole === undefined ? {} : configChanges(whole, config),
    unsetChanges(flags.unset ?? [], {settings: streamSettingNames, options: streamOptionNames}),
    streamChanges(subjects, flags),
  )
}

async function wholeConfig(config: StreamConfig, flags: FlagValues<typeof changeFlags>, signal: AbortSignal) {
  if (flags.config === undefined && !flags.interactive) return undefined
  const {editConfig, readConfig} = await import('../../lib/cli/io/config-file.ts')
  return flags.config === undefined ? editConfig(config.name, {...config}) : readConfig(flags.config, signal)
}
