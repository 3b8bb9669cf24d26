/** Setting one key: what the commands put, create and update have in common. */
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {argument, type FlagValues, variant} from '../../lib/cli/flags/kinds.ts'
import {readBody} from '../../lib/cli/io/input.ts'
import {BusError} from '../../lib/core/errors.ts'
import {checkKey} from '../../lib/messaging/kv/names.ts'
import {keyArgs} from './entries.ts'

export const valueArgs = {...keyArgs, value: argument({description: 'the value; - for stdin'})}
export const valueFlags = {
  file: variant(bodyFlags.file, {description: 'read the value from this file'}),
  encoding: variant(bodyFlags.encoding, {description: 'encoding of the given value', exclusive: []}),
}

/** What `--json` prints. */
export interface KvWriteResult {
  readonly bucket: string
  readonly key: string
  readonly revision: number
}

/** The value from the argument, a file, or stdin. Fails with `usage` for an invalid key, and without a value. */
export async function readValue(
  {key, value}: {readonly key: string; readonly value?: string | undefined},
  flags: FlagValues<typeof valueFlags>,
  signal: AbortSignal,
): Promise<string | Uint8Array> {
  checkKey(key)
  const read = await readBody({body: value, file: flags.file, encoding: flags.encoding}, signal)
  if (read !== undefined) return read
  throw new BusError('usage', 'VALUE is missing', {try: ["'' for an empty value", '--file PATH', '- for stdin']})
}
