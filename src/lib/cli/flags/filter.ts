/** Which messages to show or take. */
import {checkPattern} from '../../core/subject.ts'
import {text, values} from './kinds.ts'

export const filterFlags = {
  queue: text('queue group: each message goes to one of its members', '<name>', {char: 'q'}),
  match: text('keep messages whose payload matches this regular expression', '<regex>'),
  where: text('keep messages for which this JSONata expression is true', '<jsonata>'),
  filter: values('only messages whose subject matches', '<subject>', checkPattern),
}
