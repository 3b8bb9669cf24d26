/** How messages are shown. A new format is a flag here and a case in render/view.ts. */
import {text, toggle} from './kinds.ts'

export const viewFlags = {
  raw: toggle('write the payload and nothing else, byte for byte', {char: 'r'}),
  delimiter: text('delimiter after each message instead of a newline, such as \\t \\0 \\r\\n', '<text>'),
  format: text("format each message with this template, such as '{time} {subject} {json.user.id}\\n'", '<template>', {
    char: 'f',
  }),
  'headers-only': toggle('show subject and headers, not the payload'),
  'subjects-only': toggle('show the subject only'),
  select: text('show the result of this JSONata expression', '<jsonata>'),
}

export const record = text('also write what is shown to this new file as records (NDJSON)', '<path>')
