/** What a check sends: the payload and headers of its file, with the variables filled in. */
import {readFileSync} from 'node:fs'
import {resolve} from 'node:path'
import {BusError} from '../core/errors.ts'
import {checkHeader, type Headers} from '../core/message.ts'
import {decode, textWherePossible} from '../core/text/encoding.ts'
import type {Shapes} from './shape.ts'
import type {Variables} from './variables.ts'

type Bodies = Pick<Shapes['pub'], 'body' | 'json' | 'base64' | 'file' | 'headers'>
type HeaderLines = NonNullable<Bodies['headers']>

/** Fails with `usage` for a file that cannot be read. */
export function payloadOf(spec: Bodies, variables: Variables, folder: string): Uint8Array | string {
  if (spec.json !== undefined) return JSON.stringify(variables.json(spec.json))
  if (spec.base64 !== undefined) return decode(variables.text(spec.base64), 'base64', 'the payload')
  if (spec.file !== undefined) return contentOf(resolve(folder, variables.text(spec.file)))
  return spec.body === undefined ? '' : variables.text(spec.body)
}

export function headersOf(headers: HeaderLines | undefined, variables: Variables): Headers {
  return Object.entries(headers ?? {}).flatMap(([name, values]) =>
    [values].flat().map((value) => checkHeader(name, variables.text(String(value)))),
  )
}

function contentOf(path: string): Uint8Array | string {
  try {
    return textWherePossible(readFileSync(path))
  } catch (cause) {
    throw new BusError('usage', `cannot read ${path}: ${(cause as Error).message}`, {cause})
  }
}
