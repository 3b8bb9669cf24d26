/** A change of a configuration as text: one line for each value that goes and each that comes. */
import type {ChalkInstance} from 'chalk'
import {BusError} from '../../core/errors.ts'
import {settingDifferences} from '../../transport/shared/stream-settings.ts'
import {printable} from './printable.ts'

/** A setting that differs, by the name of its flag. */
export interface SettingChange {
  readonly setting: string
  /** `none` if it is not set. */
  readonly from: string
  readonly to: string
}

/** What differs between two configurations, sorted. */
export function changesBetween(from: object, to: object): readonly SettingChange[] {
  const changes = settingDifferences(from, to).map(([setting, before, after]) => ({setting, from: before, to: after}))
  return changes.sort((one, other) => (one.setting < other.setting ? -1 : 1))
}

/** `- max-msgs 10` and `+ max-msgs 20`, coloured. Ends with a newline. */
export function changesText(changes: readonly SettingChange[], paint?: ChalkInstance): string {
  const line = (sign: '-' | '+', setting: string, text: string) => {
    const shown = `${sign} ${printable(setting)} ${printable(text)}`
    return (sign === '-' ? paint?.red(shown) : paint?.green(shown)) ?? shown
  }
  return changes.map(({setting, from, to}) => `${line('-', setting, from)}\n${line('+', setting, to)}\n`).join('')
}

/** The failure of a dry run that found changes: exit code 9. */
export function wouldChange(what: string, changes: readonly SettingChange[]): BusError {
  const names = changes.map(({setting}) => setting).join(', ')
  return new BusError('expectation', `${what} would change: ${names}`, {data: {changes}})
}
