import {mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {openRecordFile} from '../../../../src/lib/cli/io/record-file.ts'
import {Message} from '../../../../src/lib/core/message.ts'
import {recordWriter} from '../../../../src/lib/core/record.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-tape-'))
afterAll(() => rmSync(folder, {recursive: true}))

describe('a record file', () => {
  test('has one record per line, for its owner only, as soon as it was passed', () => {
    const path = join(folder, 'new.ndjson')
    const messages = [new Message('a', 'é'), new Message('b', Uint8Array.of(0xff))]
    const write = recordWriter()
    using tape = openRecordFile(path)
    for (const message of messages) tape.record([message])
    expect(readFileSync(path, 'utf8')).toBe(messages.map((message) => `${write(message)}\n`).join(''))
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test('may be an existing empty file, but not one with content', () => {
    const path = join(folder, 'old.ndjson')
    writeFileSync(path, '')
    openRecordFile(path)[Symbol.dispose]()
    writeFileSync(path, 'x')
    expect(() => openRecordFile(path)).toThrow(`${path} already contains a recording`)
    expect(readFileSync(path, 'utf8')).toBe('x')
  })

  test('that cannot be written is refused with the reason', () => {
    const path = join(folder, 'no', 'such')
    expect(() => openRecordFile(path)).toThrow(`cannot write ${path}: there is no such folder`)
  })

  test('fails if the disk is full', () => {
    using tape = openRecordFile('/dev/full')
    expect(() => tape.record([new Message('a', 'x')])).toThrow('cannot write /dev/full: the disk is full')
  })
})
