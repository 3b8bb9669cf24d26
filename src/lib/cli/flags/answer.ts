/** How requests are answered. */
import {parseDurationRange} from '../render/units.ts'
import {duration, percent, text, toggle, value} from './kinds.ts'

export const answerFlags = {
  echo: toggle('reply with the request'),
  expr: text('reply with the result of this JSONata expression, applied to the request', '<jsonata>'),
  exec: toggle('reply with the output of the program after --'),
  'exec-timeout': duration('time limit for the program (default: 30s)', {dependsOn: ['exec']}),
  'system-replies': toggle('also reply to subjects that begin with $, which belong to the bus itself'),
  delay: value('wait before each reply: a duration or a range', '<duration>', parseDurationRange),
  'show-requests': toggle('also show the headers and the payload of each request'),
  fail: percent('fail this share of the requests, chosen at random'),
}
