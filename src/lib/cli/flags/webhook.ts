/** The flags of webhooks. */
import {BusError} from '../../core/errors.ts'
import {fileError} from '../../core/file-error.ts'
import {isObject, parseJson} from '../../core/text/json-text.ts'
import {readTrusted} from '../../core/trusted-file.ts'
import {type FlagValues, text, values} from './kinds.ts'

export const webhookFlags = {
  webhook: text('send each message to this URL with HTTP POST; also env://NAME or file://PATH', '<url>'),
  'webhook-header': values(
    "send this header to the webhook: 'Name: value', 'Name: env://NAME' or 'Name: file://PATH'",
    '<line>',
    headerOfLine,
    {dependsOn: ['webhook']},
  ),
  'webhook-options': text(
    'options of the webhook, in a JSON file: method, headers, query, input, json, auth, tls, httpOptions, retry; see docs/delivery.md',
    '<path>',
    {dependsOn: ['webhook']},
  ),
}

/** The options of the flags as JSON. Throws `usage`, and for a file that cannot be read. */
export function webhookJson(flags: FlagValues<Omit<typeof webhookFlags, 'webhook'>>): Record<string, unknown> {
  const {'webhook-options': path, 'webhook-header': lines = []} = flags
  const json = path === undefined ? {} : optionsIn(path)
  if ('url' in json) throw new BusError('usage', `${path} has a "url"; the URL of a webhook is given with --webhook`)
  if (lines.length === 0) return json
  return {...json, headers: {...(isObject(json['headers']) && json['headers']), ...Object.fromEntries(lines)}}
}

function optionsIn(path: string): Record<string, unknown> {
  let text: string
  try {
    text = readTrusted(path).toString()
  } catch (error) {
    throw fileError(error, 'read', path)
  }
  const json = parseJson(text)
  if (isObject(json)) return json
  throw new BusError('usage', `${path} is not a JSON object`, {try: ['{"method": "PUT", "retry": {"enabled": true}}']})
}

/** Does not repeat the line, which may be a secret. Throws `usage`. */
function headerOfLine(line: string): readonly [string, string] {
  const colon = line.indexOf(':')
  if (colon > 0) return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
  throw new BusError('usage', 'the header has no name', {
    try: ["--webhook-header 'X-Key: env://KEY'"],
  })
}
