/** How the configuration of a stream or a consumer is changed. */
import {BusError} from '../../core/errors.ts'
import {text, toggle, values} from './kinds.ts'

export const changeFlags = {
  unset: values(
    'set this setting back to its default: max-age, or another flag without its dashes',
    '<setting>',
    String,
  ),
  config: text('the whole configuration, from a JSON or YAML file, as info --json prints it', '<file>', {
    exclusive: ['interactive'],
  }),
  interactive: toggle('edit the configuration in $EDITOR', {char: 'i'}),
  'dry-run': toggle('only show what would change; exit code 9 if something would'),
  yes: toggle('do not ask'),
}

/** Changes that set these back, by the names of their flags. Throws `usage` for another word. */
export function unsetChanges(
  names: readonly string[],
  settings: Readonly<Record<string, string>>,
): Readonly<Record<string, undefined>> {
  const entries = names.map((name) => {
    const setting = settings[name]
    if (setting !== undefined) return [setting, undefined] as const
    throw new BusError('usage', `--unset: there is no setting ${JSON.stringify(name)} to set back`, {
      try: [Object.keys(settings).join(', ')],
    })
  })
  return Object.fromEntries(entries)
}
