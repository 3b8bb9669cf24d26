import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, it} from 'vitest'
import {
  isReference,
  lastingPath,
  lastingText,
  material,
  pathOf,
  readSecretText,
  textOrFile,
} from '../../../../src/lib/cli/target/secret-values.ts'
import {BusError} from '../../../../src/lib/core/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'bus-test-'))
afterAll(() => rmSync(folder, {recursive: true}))
const file = join(folder, 'secret.txt')
writeFileSync(file, 'from a file\r\n')

const env = {HOME: '/home/ann', DIR: '/keys', SECRET: 'of the environment', FOLDER: folder}
const inData = `data:;base64,${Buffer.from('inline').toString('base64')}`

function failure(act: () => unknown): BusError {
  try {
    act()
  } catch (error) {
    if (error instanceof BusError) return error
    throw error
  }
  throw new Error('no failure')
}

describe('a path', () => {
  it.each([
    ['/a/b.creds', '/a/b.creds'],
    ['b.creds', 'b.creds'],
    ['~/b.creds', '/home/ann/b.creds'],
    ['~', '/home/ann'],
    ['~bob/b.creds', '~bob/b.creds'],
    ['a~/b', 'a~/b'],
    ['$DIR/b.creds', '/keys/b.creds'],
    [`\${DIR}s/b.creds`, '/keyss/b.creds'],
    ['~/$DIR', '/home/ann//keys'],
    ['file:///a/b.creds', '/a/b.creds'],
    ['file://~/b.creds', '/home/ann/b.creds'],
    ['file://$DIR/b.creds', '/keys/b.creds'],
    ['C:\\keys\\b.creds', 'C:\\keys\\b.creds'],
  ])('%s is %s', (value, path) => {
    expect(material(value, 'creds', env)).toEqual({path})
    expect(pathOf(value, 'ca', env)).toBe(path)
  })

  it('of a certificate cannot be anything else', () => {
    for (const value of ['env://SECRET', inData, 'op://a/b']) {
      expect(failure(() => pathOf(value, 'ca', env))).toMatchObject({
        kind: 'usage',
        message: expect.stringMatching(/^ca /),
      })
    }
  })

  it('with an unset variable is refused', () => {
    expect(failure(() => material('$NOPE/x', 'creds', env)).message).toBe(
      'creds names the variable NOPE, which is not set',
    )
  })
})

describe('a secret', () => {
  it('is read from the environment', () => {
    expect(material('env://SECRET', 'creds', env)).toEqual({text: 'of the environment'})
    expect(readSecretText('env://SECRET', 'token', env)).toBe('of the environment')
    expect(failure(() => readSecretText('env://NOPE', 'token', env)).message).toContain(
      'the variable NOPE, which is not set',
    )
  })

  it('may be in the value itself', () => {
    expect(material(inData, 'creds', env)).toEqual({text: 'inline'})
    expect(readSecretText(inData.replace('data:', 'data:application/octet-stream'), 'token', env)).toBe('inline')
    expect(failure(() => readSecretText('data:secret', 'token', env)).message).toBe(
      'token begins with data: but is not base64',
    )
  })

  it('is read from a file, without the final newline', () => {
    expect(readSecretText(`file://${file}`, 'token', env)).toBe('from a file')
    expect(readSecretText('file://$FOLDER/secret.txt', 'token', env)).toBe('from a file')
    expect(failure(() => readSecretText('file:///nowhere/x', 'token', env))).toMatchObject({kind: 'notFound'})
  })

  it('is otherwise the text itself, whatever it contains', () => {
    for (const value of ['plain', '$DIR', '~/x', 'a:b://c', 'http://x'])
      expect(readSecretText(value, 'token', env)).toBe(value)
  })

  it.each(['op://vault/item', 'nsc://op/acct/user'])('that another program stores is refused by name: %s', (value) => {
    const scheme = value.slice(0, value.indexOf('/') + 2)
    for (const act of [() => material(value, 'creds', env), () => readSecretText(value, 'creds', env)]) {
      expect(failure(act)).toMatchObject({kind: 'usage', message: expect.stringContaining(`(${scheme})`)})
    }
  })

  it('on the command line is a text in the expected form, or a file', () => {
    expect(textOrFile('SUAABCDEFGHIJKLMNOPQRSTUV', 'seed', '--seed', env)).toBe('SUAABCDEFGHIJKLMNOPQRSTUV')
    expect(textOrFile(file, 'seed', '--seed', env)).toBe('from a file')
    expect(textOrFile('env://SECRET', 'seed', '--seed', env)).toBe('of the environment')
  })
})

describe('a saved value', () => {
  it('is an absolute path, or says where it begins', () => {
    expect(lastingPath('a/b')).toBe(join(process.cwd(), 'a/b'))
    for (const value of ['/a/b', '~/a', '$DIR/a', 'env://SECRET', inData]) expect(lastingPath(value)).toBe(value)
    expect(lastingText('SUAABCDEFGHIJKLMNOPQRSTUV', 'seed')).toBe('SUAABCDEFGHIJKLMNOPQRSTUV')
    expect(lastingText('/a/seed', 'seed')).toBe('file:///a/seed')
  })

  it('may be shown if it only refers to a secret', () => {
    expect(['env://A', 'file:///a', 'op://a'].map(isReference)).toEqual([true, true, true])
    expect(['plain', inData, '/a/b'].map(isReference)).toEqual([false, false, false])
  })
})
