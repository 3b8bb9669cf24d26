import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {open} from '../../src/lib/transport/open.ts'
import {bin, bus} from '../bus.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-blocked-'))
afterAll(() => rmSync(folder, {recursive: true}))
const url = `sqlite:${join(folder, 'bus.db')}`

/** Enough rows for more than a pipe can take. */
const rows = 20_000

describe('while nobody reads its output', () => {
  beforeAll(async () => {
    await using connection = await open(url)
    await connection.streams.add({name: 'S', subjects: ['s.>']})
    await using publisher = connection.streams.publisher()
    for (let n = 0; n < rows; n++) await publisher.push({subject: `s.a-rather-long-name.${n}`, data: 'x'})
    await publisher.flush()
  })

  test.each([
    {args: ['stream', 'subjects', 'S']},
    {args: ['stream', 'subjects', 'S', '--json']},
    {args: ['sub', 's.>', '--from', 'first']},
    {args: ['sub', 's.>', '--from', 'first', '--end', '--json']},
    {args: ['consumer', 'replay', 'S', '--raw', '--delimiter', '                                ']},
    {args: ['consumer', 'replay', 'S', '--dry-run']},
  ])('SIGTERM ends bus $args', async ({args}) => {
    const env = {PATH: process.env['PATH'], HOME: folder}
    const child = spawn(process.execPath, [bin, ...args, '-b', url], {stdio: ['ignore', 'pipe', 'ignore'], env})
    await once(child.stdout, 'readable')
    child.kill('SIGTERM')
    const [code, signal] = await once(child, 'exit')
    child.stdout.destroy()
    expect([130, null, 0]).toContain(code)
    expect(['SIGTERM', null]).toContain(signal)
  })

  test('a JSON document that is longer than a pipe is written to its end', async () => {
    const {code, stdout} = await bus(['stream', 'subjects', 'S', '--json', '-b', url])
    expect(code).toBe(0)
    expect(Object.keys(JSON.parse(stdout))).toHaveLength(rows)
  })
})
