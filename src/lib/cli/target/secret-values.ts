/**
 * Values of a login, by the rules of the NATS CLI: `file://PATH`, `env://NAME` and `data:;base64,TEXT` refer to a secret; a
 * path may begin with `~` and contain `$VAR`. Errors name the place of a value, never the value.
 */
import {homedir} from 'node:os'
import {resolve} from 'node:path'
import {BusError} from '../../core/errors.ts'
import {fileError} from '../../core/file-error.ts'
import {readTrusted} from '../../core/trusted-file.ts'

type Env = NodeJS.ProcessEnv

/** Where a value was given: `--creds`, `NATS_CREDS`, `creds of the context "prod"`. */
type Place = string

/** A path, or the text itself if the value contains it. */
export type Material = {readonly path: string} | {readonly text: string}

/** For credentials and nkeys: a plain value is a path. Throws `usage`. */
export function material(value: string, place: Place, env: Env): Material {
  const text = referred(value, place, env)
  return text === undefined ? {path: expandPath(value, place, env)} : {text}
}

/** For certificates: always a path. Throws `usage`. */
export function pathOf(value: string, place: Place, env: Env): string {
  if (schemeOf(value) === undefined || value.startsWith('file://')) return expandPath(value, place, env)
  throw new BusError('usage', `${place} must be the path of a file`, {
    try: ['/path/to/file.pem', 'file:///path/to/file.pem'],
  })
}

/** For passwords, tokens, JWTs and seeds: a plain value is the text itself. Throws `usage`, or `notFound` for a file. */
export function readSecretText(value: string, place: Place, env: Env): string {
  if (value.startsWith('file://')) return withoutLineEnd(readText(expandPath(value, place, env), place))
  return withoutLineEnd(referred(value, place, env) ?? value)
}

const longTexts = {jwt: /^[\w-]+\.[\w-]+\.[\w-]+$/, seed: /^S[A-Z2-7]{20,}$/} as const

/** A JWT or a seed: a plain value that looks like one is the text itself, any other a path. Throws as `readSecretText`. */
export function textOrFile(value: string, kind: keyof typeof longTexts, place: Place, env: Env): string {
  if (schemeOf(value) !== undefined || longTexts[kind].test(value)) return readSecretText(value, place, env)
  return readText(expandPath(value, place, env), place).trim()
}

/** Whether the value only refers to a secret, so that it can be shown. */
export function isReference(value: string): boolean {
  const scheme = schemeOf(value)
  return scheme !== undefined && scheme !== 'data'
}

/** Expands a leading `~` and each `$VAR` or `${VAR}`. Throws `usage` for a variable that is not set. */
function expandPath(value: string, place: Place, env: Env): string {
  const home = env['HOME'] || homedir()
  return value
    .replace(/^file:\/\//, '')
    .replace(/^~(?=$|[/\\])/, () => home)
    .replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) =>
      variable(braced ?? bare ?? '', place, env),
    )
}

/** The text of an `env://` or `data:` value; undefined for a path. */
function referred(value: string, place: Place, env: Env): string | undefined {
  const scheme = schemeOf(value)
  if (scheme === 'env') return variable(value.slice('env://'.length), place, env)
  if (scheme === 'data') return decoded(value, place)
  if (scheme === 'op' || scheme === 'nsc') throw unsupported(scheme, place)
  return undefined
}

function schemeOf(value: string): 'file' | 'env' | 'data' | 'op' | 'nsc' | undefined {
  const [, scheme] = /^(?:(file|env|op|nsc):\/\/|(?=data:))/i.exec(value) ?? []
  if (scheme !== undefined) return scheme.toLowerCase() as 'file' | 'env' | 'op' | 'nsc'
  return value.startsWith('data:') ? 'data' : undefined
}

function variable(name: string, place: Place, env: Env): string {
  const value = env[name]
  if (value) return value
  throw new BusError('usage', `${place} names the variable ${name}, which is not set`, {try: [`export ${name}=…`]})
}

function decoded(value: string, place: Place): string {
  const [, text] = /^data:[^,]*;\s*base64\s*,([A-Za-z0-9+/=\s]*)$/.exec(value) ?? []
  if (text !== undefined) return Buffer.from(text, 'base64').toString('utf8')
  throw new BusError('usage', `${place} begins with data: but is not base64`, {try: ['data:;base64,…']})
}

function unsupported(scheme: 'op' | 'nsc', place: Place): BusError {
  const program = scheme === 'op' ? '1Password (op://)' : 'nsc (nsc://)'
  const instead = scheme === 'op' ? 'op read op://… > FILE' : 'nsc generate creds --output-file FILE'
  return new BusError('usage', `${place} is stored by ${program}, which bus does not support`, {
    try: [`${instead}, and --creds FILE`, 'env://NAME, and the secret in that variable'],
  })
}

function readText(path: string, place: Place): string {
  try {
    return readTrusted(path, `${path} (${place})`).toString()
  } catch (error) {
    throw fileError(error, 'read', `${path} (${place})`)
  }
}

function withoutLineEnd(text: string): string {
  return text.replace(/[\r\n]+$/, '')
}

/** A path in the form in which it is saved: absolute, or unchanged if it begins with `~`, a variable or a scheme. */
export function lastingPath(value: string): string {
  return schemeOf(value) === undefined && !/^[~$]/.test(value) ? resolve(value) : value
}

/** Like `lastingPath`, for a value that is either the text itself or the path of a file with it. */
export function lastingText(value: string, kind: keyof typeof longTexts): string {
  if (schemeOf(value) !== undefined || longTexts[kind].test(value)) return value
  return `file://${lastingPath(value)}`
}
