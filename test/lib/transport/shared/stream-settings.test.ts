import {expect, test} from 'vitest'
import {differences, streamConfig} from '../../../../src/lib/transport/shared/stream-settings.ts'

test('two configurations are described by their differences, in the words of the flags', () => {
  const wanted = streamConfig({name: 'A', subjects: ['a', 'b.>'], maxAgeMs: 60_000})
  expect(differences(wanted, wanted)).toBe('')
  expect(differences({...wanted, subjects: ['b.>', 'a']}, wanted)).toBe('')
  expect(differences({...wanted, maxMsgs: 9, maxAgeMs: undefined, retention: 'workqueue'}, wanted)).toBe(
    'max-age none instead of 1m, retention workqueue instead of limits, max-msgs 9 instead of none',
  )
  const other = {mirror: {name: 'ORIGIN'}, sealed: true, mirror_direct: true}
  expect(differences({...wanted, subjects: [], other}, wanted)).toBe(
    'subjects none instead of a b.>, mirror {"name":"ORIGIN"} instead of none, sealed true instead of none',
  )
})

test('a start is described as a position', () => {
  expect(differences({deliver: {timeMs: 0}}, {deliver: {seq: 7}})).toBe(
    'deliver @1970-01-01T00:00:00.000Z instead of 7',
  )
  expect(differences({deliver: 'lastPerSubject'}, {deliver: 'all'})).toBe('deliver last-per-subject instead of all')
})
