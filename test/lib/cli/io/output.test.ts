import {execFileSync} from 'node:child_process'
import {closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import {Output} from '../../../../src/lib/cli/io/output.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-test-'))
afterAll(() => rmSync(folder, {recursive: true}))

/** What a writer writes to a file. */
async function written(write: (output: Output) => void | Promise<void>): Promise<Buffer> {
  const path = join(folder, 'out')
  const fd = openSync(path, 'w')
  const output = new Output(fd)
  await write(output)
  await output.end()
  closeSync(fd)
  return readFileSync(path)
}

describe('output to a file', () => {
  it('keeps text and bytes in order', async () => {
    const result = await written((output) => {
      output.write('a ')
      output.write(Buffer.from([0, 255]))
      output.write(' ü\n')
    })
    expect(result).toEqual(Buffer.concat([Buffer.from('a '), Buffer.from([0, 255]), Buffer.from(' ü\n')]))
  })

  it('copies bytes, so that their buffer may be reused', async () => {
    const buffer = Buffer.from('before')
    const result = await written((output) => {
      output.write(buffer)
      buffer.fill('x')
    })
    expect(result.toString()).toBe('before')
  })

  it('writes more than its chunks hold, completely and in order', async () => {
    const big = Buffer.alloc(300_000, 'b')
    const lines = Array.from({length: 20_000}, (_, n) => `line ${n}\n`)
    const result = await written(async (output) => {
      output.write(big)
      for (const line of lines) {
        output.write(line)
        await output.ready()
      }
      output.write(big)
    })
    expect(result.equals(Buffer.concat([big, Buffer.from(lines.join('')), big]))).toBe(true)
  })

  it('never splits a character', async () => {
    const text = '€😀'.repeat(50_000)
    expect((await written((output) => output.write(text))).toString()).toBe(text)
  })

  it('may be ended twice, and used after that', async () => {
    const result = await written(async (output) => {
      output.write('one ')
      await output.end()
      await output.end()
      output.write('two')
    })
    expect(result.toString()).toBe('one two')
  })

  it('fails in one sentence if the system refuses to write', async () => {
    const fd = openSync(join(folder, 'out'), 'r')
    const output = new Output(fd)
    output.write('x')
    await expect(output.end()).rejects.toThrow(/^cannot write to stdout/)
    expect(() => output.ready()).toThrow(/^cannot write to stdout/)
    closeSync(fd)
  })
})

describe.skipIf(process.platform === 'win32')('output to a pipe', () => {
  function pipe(): {reader: number; writer: number} {
    const path = join(folder, `pipe-${Math.random()}`)
    execFileSync('mkfifo', [path])
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    return {reader, writer: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)}
  }

  it('makes the caller wait while the reader is slower, and loses nothing', async () => {
    const {reader, writer} = pipe()
    const output = new Output(writer)
    const sent = Buffer.alloc(1_000_000, 'abcdefg')
    output.write(sent)
    let isWaiting = true
    const done = output.ready()?.then(() => {
      isWaiting = false
    })
    expect(done).toBeInstanceOf(Promise)
    const got: Buffer[] = []
    while (isWaiting || Buffer.concat(got).length < sent.length) {
      got.push(Buffer.from(readAvailable(reader)))
      await new Promise(setImmediate)
    }
    expect(Buffer.concat(got).equals(sent)).toBe(true)
    closeSync(writer)
    closeSync(reader)
  })

  it('reports that the reader is gone, and discards the rest', async () => {
    const {reader, writer} = pipe()
    const output = new Output(writer)
    output.write('x')
    closeSync(reader)
    expect(output.closed.aborted).toBe(false)
    await output.end()
    expect(output.closed.aborted).toBe(true)
    output.write('y'.repeat(1_000_000))
    expect(output.ready()).toBeUndefined()
    await output.end()
    closeSync(writer)
  })

  function readAvailable(fd: number): Uint8Array {
    const buffer = Buffer.alloc(65_536)
    try {
      return buffer.subarray(0, readSync(fd, buffer))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      return Buffer.alloc(0)
    }
  }
})
