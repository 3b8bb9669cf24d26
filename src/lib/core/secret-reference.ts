/** References to secrets: `env://NAME` is the value of a variable, `file://PATH` the text of a file. */
import {homedir} from 'node:os'
import {BusError} from './errors.ts'
import {fileError} from './file-error.ts'
import {readTrusted} from './trusted-file.ts'

const reference = /^(?:([A-Za-z]+) )?(env|file):\/\/(.+)$/

/** Whether a string only refers to a secret, possibly after a scheme of HTTP: `Bearer env://TOKEN`. */
export function isSecretReference(text: string): boolean {
  return reference.test(text)
}

/**
 * The text that a reference stands for; any other text unchanged. Errors name the option, never the secret. Throws `usage` for a
 * variable that is not set, `notFound` or `denied` for a file.
 */
export function resolveReference(text: string, option: string, env: NodeJS.ProcessEnv): string {
  const [, scheme, kind, name = ''] = reference.exec(text) ?? []
  if (kind === undefined) return text
  const value = kind === 'env' ? env[name] : readSecret(inHome(name, env), option)
  if (value === undefined || value === '')
    throw new BusError('usage', `the option "${option}" refers to ${kind}://${name}, which is not set`, {
      try: [kind === 'env' ? `export ${name}=…` : `check ${name}`],
    })
  return scheme === undefined ? value : `${scheme} ${value}`
}

function inHome(path: string, env: NodeJS.ProcessEnv): string {
  return path.replace(/^~(?=\/)/, () => env['HOME'] || homedir())
}

function readSecret(path: string, option: string): string {
  const name = `${path} (the option "${option}")`
  try {
    return readTrusted(path, name)
      .toString()
      .replace(/[\r\n]+$/, '')
  } catch (error) {
    throw fileError(error, 'read', name)
  }
}
