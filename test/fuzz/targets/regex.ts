import assert from 'node:assert/strict'
import {Message} from '../../../src/lib/core/message.ts'
import {compileFilter} from '../../../src/lib/messaging/pubsub/filter.ts'
import {eventOf} from '../../../src/lib/protocols/event-delivery/event.ts'
import {
  compileEventFilter as compileEvents,
  parseEventFilter,
} from '../../../src/lib/protocols/event-delivery/filter.ts'
import {partsOf, refused, refusedLater, type Target} from '../target.ts'

/** A pattern and a text, for `--match` and for the filters of applications. */
export const target: Target = {
  // A pattern of many thousand instructions takes a second or two to be compiled and searched for.
  slowMs: 5000,
  seeds: [
    '^a(b|c)*$\nabcb',
    '(a+)+$\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab',
    '\\pL{3}\nabc',
    '(?<n>a)\\k<n>\naa',
    '(?=a)[^b]\nab',
    'a{1000}\n',
  ],
  words: [
    '(',
    ')',
    '[',
    ']',
    '*',
    '+',
    '?',
    '{1,9}',
    '{999}',
    '|',
    '^',
    '$',
    '\\pL',
    '\\d',
    '\\1',
    '(?:',
    '(?=',
    '(?<n>',
    '.*',
    '(a+)+',
    'aaaa',
    '\n',
  ],
  async run(bytes) {
    const [pattern = '', text = ''] = partsOf(bytes, 2)
    const message = new Message('a.b', text, [['Bus-Tag', text.slice(0, 50).replace(/\W/g, '')]], undefined, 1, 0)
    const keep = await refusedLater(async () => compileFilter({match: pattern}))
    const kept = await keep?.([message])
    assert.ok((kept?.length ?? 0) <= 1)
    const filter = refused(() => parseEventFilter({topic: pattern, message: {tag: pattern}}))
    if (filter === undefined) return
    const matches = await refusedLater(() => compileEvents(filter))
    matches?.(eventOf('S', message))
    matches?.(eventOf('S', new Message(text || 'a', '')))
  },
}
