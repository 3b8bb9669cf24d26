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

/** The settings that can be set back, by the names of their flags; `options` are those that only a server has. */
export interface SettingNames {
  readonly settings: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
}

interface Changes {
  readonly other?: Readonly<Record<string, unknown>> | undefined
}

/** Changes that set these settings back, given by the names of their flags. Throws `usage` for any other name. */
export function unsetChanges(names: readonly string[], {settings, options}: SettingNames): Changes {
  const unset = (known: Readonly<Record<string, string>>) =>
    Object.fromEntries(names.flatMap((name) => (Object.hasOwn(known, name) ? [[known[name], undefined]] : [])))
  const stray = names.find((name) => !Object.hasOwn(settings, name) && !Object.hasOwn(options, name))
  if (stray !== undefined)
    throw new BusError('usage', `--unset: there is no setting ${JSON.stringify(stray)} to set back`, {
      try: [Object.keys({...settings, ...options}).join(', ')],
    })
  const other = unset(options)
  return {...unset(settings), ...(Object.keys(other).length > 0 && {other})}
}

/** Merges changes: settings and options of later ones replace those of earlier ones. */
export function joinedChanges(...all: readonly Changes[]): Changes {
  const other = Object.assign({}, ...all.map((changes) => changes.other))
  return {...Object.assign({}, ...all), ...(Object.keys(other).length > 0 && {other})}
}
