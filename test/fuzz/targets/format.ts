import assert from 'node:assert/strict'
import {compileFormat, unescapeText} from '../../../src/lib/cli/render/template.ts'
import {Message, noHeaders, parseHeader} from '../../../src/lib/core/message.ts'
import {splitPlaceholders} from '../../../src/lib/core/text/placeholders.ts'
import {compileTemplate} from '../../../src/lib/messaging/pubsub/template.ts'
import {partsOf, refused, type Target} from '../target.ts'

/** A template, a header, and a payload. */
export const target: Target = {
  seeds: [
    '{time} {unix} {subject} {reply} {seq} {n} {bytes} {text} {base64} {headers} {headers.A}\\n\nA: 1\nhello',
    '{json} {json.a[0].b} {json.a.b}\\t\\x1b\\0\\\\\n\n{"a":[{"b":1.10}]}',
    '{{n}} {{ {n}\n\n{n} {id} {time} {unix} {random:1-9}',
    '{json.a}\n\n{"a":[[[[1]]]]}',
  ],
  words: [
    ...[
      '{',
      '}',
      '{{',
      '}}',
      '\\',
      '\\x',
      '\\x1b',
      '{n}',
      '{id}',
      '{random:',
      '{random:9-1}',
      '{json.',
      '[0]',
      '{headers.',
    ],
    ...['{time}', '{text}', '{json}', '\n', '{"a":', '[', ']', '\x1b[2J', '\u202e', '1e400'],
  ],
  run(bytes) {
    const [template = '', header = '', payload = ''] = partsOf(bytes, 3)
    const headers = [refused(() => parseHeader(header)) ?? (['X', '1'] as const)]
    const message = new Message('a.b', payload, headers, undefined, 7)
    refused(() => compileFormat(template))?.(message, 1)
    const shown = refused(() => compileFormat(template, {safe: true}))?.(message, 1)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal obeys
    const hostile = /[\x00-\x1f\x7f-\x9f\u202e]/
    if (shown !== undefined && !hostile.test(template) && !template.includes('\\')) assert.doesNotMatch(shown, hostile)
    refused(() => unescapeText(template, '--delimiter'))
    refused(() => splitPlaceholders(template, 'it'))
    for (const [name, value] of [...headers, ['X', template] as const])
      refused(() => compileTemplate({subject: 'a', data: payload, headers: [[name, value]]}))?.()
    refused(() => compileTemplate({subject: template, data: '', headers: noHeaders}))?.()
  },
}
