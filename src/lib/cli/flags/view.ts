/** How messages are shown. A new format is a flag here and a case in render/view.ts. */
import {type FlagValues, text, toggle} from './kinds.ts'

export const viewFlags = {
  raw: toggle('write payloads byte for byte, each followed by a newline (none after a single message in a pipe)', {
    char: 'r',
    exclusive: ['json', 'format', 'headers-only', 'subjects-only'],
  }),
  delimiter: text('what to write after each message instead of a newline, such as \\t \\0 \\r\\n', '<text>', {
    relationships: [{type: 'some', flags: ['raw', 'format', 'select', 'subjects-only']}],
  }),
  format: text(
    "format each message with this template, such as '{time} {subject} {json.user.id}'; a newline follows unless it ends with an escape",
    '<template>',
    {
      char: 'f',
      exclusive: ['json', 'headers-only', 'subjects-only', 'select'],
    },
  ),
  'headers-only': toggle('show subject and headers, not the payload'),
  'subjects-only': toggle('show the subject only', {exclusive: ['headers-only', 'select']}),
  select: text('show the result of this JSONata expression', '<jsonata>', {exclusive: ['headers-only']}),
}

const {'subjects-only': _, ...ofReplies} = viewFlags
/** For replies, whose subjects carry no information. */
export const replyViewFlags = ofReplies

export type ViewFlags = FlagValues<typeof viewFlags> & {readonly json?: boolean | undefined}

export const record = text('also write what is shown to this new file as records (NDJSON)', '<path>')
