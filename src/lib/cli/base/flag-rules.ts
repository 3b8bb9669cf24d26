/** Flags that do not go together: one sentence for all of them. */
import {BusError} from '../../core/errors.ts'

/** Throws `usage` when `name` is given together with one of `others`. Names are those of flags. */
export function excluding<F extends object>(flags: F, name: keyof F & string, ...others: (keyof F & string)[]): void {
  const other = isGiven(flags[name]) ? others.find((one) => isGiven(flags[one])) : undefined
  if (other === undefined) return
  throw new BusError('usage', `--${name} and --${other} exclude each other`, {try: ['leave one of them out']})
}

/** Throws `usage` when `name` is given without any of `companions`. */
export function needing<F extends object>(flags: F, name: keyof F & string, ...companions: (keyof F & string)[]): void {
  if (!isGiven(flags[name]) || companions.some((one) => isGiven(flags[one]))) return
  const all = companions.map((one) => `--${one}`).join(' or ')
  throw new BusError('usage', `--${name} goes with ${all}`, {try: [`add ${all}, or leave --${name} out`]})
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0)
}
