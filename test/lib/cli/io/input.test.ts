import {execFileSync} from 'node:child_process'
import {chmodSync, createWriteStream, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {checkOneBody, readAll, readBody, readChunks} from '../../../../src/lib/cli/io/input.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-input-'))
afterAll(() => rmSync(folder, {recursive: true}))

const {signal} = new AbortController()

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

describe('a body', () => {
  test('is the argument, even if it is empty', async () => {
    expect(await readBody({body: 'hi'}, signal)).toBe('hi')
    expect(await readBody({body: ''}, signal)).toBe('')
  })

  test('is a file: text if it is UTF-8, otherwise bytes', async () => {
    expect(await readBody({file: file('text', '\ufeffé\n')}, signal)).toBe('\ufeffé\n')
    expect(await readBody({file: file('bytes', Uint8Array.of(0xff, 0))}, signal)).toEqual(Buffer.from([0xff, 0]))
    expect(await readBody({file: file('empty', '')}, signal)).toBe('')
  })

  test('is decoded if it is encoded', async () => {
    expect(await readBody({body: 'aGk=', encoding: 'base64'}, signal)).toEqual(Uint8Array.from(Buffer.from('hi')))
    expect(await readBody({file: file('hex', '68 69\n'), encoding: 'hex'}, signal)).toEqual(
      Uint8Array.from(Buffer.from('hi')),
    )
    await expect(readBody({body: 'a!', encoding: 'base64'}, signal)).rejects.toThrow(
      'the body is not base64: "!" at position 2',
    )
  })

  test('is given only once', () => {
    expect(() => checkOneBody({body: 'x', file: 'y'})).toThrow('the body is given twice, by the argument and by --file')
    expect(() => checkOneBody({file: 'y', size: 1})).toThrow('the body is given twice, by --file and by --size')
    expect(() => checkOneBody({body: '-', size: 1})).toThrow('the body is given twice, by the argument and by --size')
    expect(() => checkOneBody({size: 1})).not.toThrow()
  })
})

describe('a file that is read', () => {
  test('arrives in chunks, completely', async () => {
    const bytes = Buffer.from(Array.from({length: 1_000_000}, (_, at) => at % 251))
    let pieces = 0
    for await (const _ of readChunks(file('big', bytes), signal)) pieces++
    expect(pieces).toBeGreaterThan(1)
    expect(Buffer.from(await readAll(join(folder, 'big'), signal)).equals(bytes)).toBe(true)
  })

  test('may be a pipe, which is no longer read after an interrupt', async () => {
    const path = join(folder, 'pipe')
    execFileSync('mkfifo', [path])
    const stop = new AbortController()
    const writer = createWriteStream(path)
    const written = new Promise((resolve) => writer.write('hello', resolve))
    const seen: string[] = []
    for await (const chunk of readChunks(path, stop.signal)) {
      seen.push(Buffer.from(chunk).toString())
      stop.abort()
    }
    expect(seen).toEqual(['hello'])
    await written
    writer.destroy()
  })

  test('may be a pipe that nobody writes to, until it is interrupted', async () => {
    const path = join(folder, 'lonely')
    execFileSync('mkfifo', [path])
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 50)
    await expect(readAll(path, stop.signal)).rejects.toMatchObject({kind: 'interrupted'})
  })

  test('may be a device', async () => {
    expect(await readAll('/dev/null', signal)).toHaveLength(0)
  })

  test('ends when it is interrupted', async () => {
    await expect(readAll(file('some', 'x'), AbortSignal.abort())).rejects.toMatchObject({kind: 'interrupted'})
  })

  test('that never ends is refused before it fills the memory', async () => {
    await expect(readAll('/dev/zero', signal)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/^\/dev\/zero has more than \d+ bytes: too much for one message$/),
    })
  })

  test('that is missing, a folder, or not readable is refused with the reason', async () => {
    const missing = join(folder, 'missing')
    await expect(readAll(missing, signal)).rejects.toMatchObject({
      kind: 'notFound',
      message: `cannot read ${missing}: there is no such file`,
    })
    await expect(readAll(folder, signal)).rejects.toMatchObject({
      kind: 'usage',
      message: `cannot read ${folder}: it is a folder`,
    })
  })

  test.skipIf(process.getuid?.() === 0)('that may not be read is refused as denied', async () => {
    const path = file('secret', 'x')
    chmodSync(path, 0)
    await expect(readAll(path, signal)).rejects.toMatchObject({
      kind: 'denied',
      message: `cannot read ${path}: permission denied`,
    })
  })
})
