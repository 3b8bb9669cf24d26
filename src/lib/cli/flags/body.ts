/** The body and the headers of a message. */
import {parseHeader} from '../../core/message.ts'
import {choice, size, text, texts, toggle, values} from './kinds.ts'

export const bodyFlags = {
  header: values("header line 'Name: value'", '<line>', parseHeader, {char: 'H'}),
  reply: text('subject for replies', '<subject>'),
  file: text('read the body from this file', '<path>'),
  encoding: choice('encoding of the given body', ['base64', 'hex'], {
    exclusive: ['size', 'echo', 'expr', 'exec', 'template'],
  }),
  size: size('a random body of this size'),
  'obey-headers': toggle(
    'let stores act on Nats-TTL, Nats-Rollup and similar headers (default: kept as data, under Bus- names)',
  ),
  template: toggle('fill in {n} {id} {time} {unix} {random:1-100} in body, subject and headers'),
}

export const expect = texts('exit with code 9 unless this JSONata expression is true for the reply', '<jsonata>')
