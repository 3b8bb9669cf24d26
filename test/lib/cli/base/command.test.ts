import {describe, expect, it} from 'vitest'
import {BusCommand} from '../../../../src/lib/cli/base/command.ts'
import {answerFlags} from '../../../../src/lib/cli/flags/answer.ts'
import {bodyFlags} from '../../../../src/lib/cli/flags/body.ts'
import {argument} from '../../../../src/lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../../../src/lib/cli/flags/pacing.ts'
import type {BusError} from '../../../../src/lib/core/errors.ts'

interface Seen {
  readonly args: object
  readonly flags: Readonly<Record<string, unknown>>
  readonly program: readonly string[]
}

/** What a command receives for the words after its name. */
async function seenBy(...argv: string[]): Promise<Seen> {
  const results: Seen[] = []
  const failures: unknown[] = []
  class Probe extends BusCommand {
    static override args = {subject: argument({required: true}), body: argument({})}
    static override flags = {exec: answerFlags.exec, header: bodyFlags.header, count: pacingFlags.count}

    async run(): Promise<void> {
      try {
        results.push({...(await this.parse(Probe)), program: this.program})
      } catch (error) {
        failures.push(error)
      }
    }
  }
  Probe.id = 'probe'
  await Probe.start(argv, {version: '1.2.3'})
  if (results[0]) return results[0]
  throw failures[0]
}

describe('a command line', () => {
  it('does not read stdin for an absent argument', async () => {
    // oclif would wait for stdin, and use it as the body.
    expect((await seenBy('a.b')).args).toEqual({subject: 'a.b'})
  })

  it('keeps arguments unchanged: empty, "-", negative numbers, JSON with spaces', async () => {
    for (const body of ['', '-', '-5', '{"a": 1, "b": "two words"}']) {
      expect((await seenBy('a.b', body)).args).toEqual({subject: 'a.b', body})
    }
  })

  it('treats words after -- as arguments, even if they look like flags', async () => {
    expect((await seenBy('a.b', '--', '--json')).args).toEqual({subject: 'a.b', body: '--json'})
  })

  it('takes one value per header flag, so that arguments may follow', async () => {
    const seen = await seenBy('-H', 'K: 1', 'a.b', '-H', 'k: 2', 'body')
    expect(seen.args).toEqual({subject: 'a.b', body: 'body'})
    expect(seen.flags['header']).toEqual([
      ['K', '1'],
      ['k', '2'],
    ])
  })

  it('has a default timeout of five seconds', async () => {
    expect((await seenBy('a.b')).flags['timeout']).toBe(5000)
    expect((await seenBy('a.b', '-t', '100ms')).flags['timeout']).toBe(100)
  })
})

describe('a command that takes a program', () => {
  it('gets it word by word, in order and with repetitions', async () => {
    const seen = await seenBy('a.b', '--exec', '-n', '2', '--', 'jq', '-n', '.', '.', '--', '-n')
    expect(seen.program).toEqual(['jq', '-n', '.', '.', '--', '-n'])
    expect(seen.args).toEqual({subject: 'a.b'})
    expect(seen.flags['count']).toBe(2)
  })

  it('gets none without --exec', async () => {
    const seen = await seenBy('a.b', '--', '--exec')
    expect([seen.args, seen.program]).toEqual([{subject: 'a.b', body: '--exec'}, []])
  })

  it.each([[['a.b', '--exec']], [['a.b', '--exec', '--']]])('fails without it: %j', async (argv) => {
    const error = (await seenBy(...argv).catch((caught) => caught)) as BusError
    expect(error.message).toBe('--exec needs a program after --')
    expect(error.kind).toBe('usage')
  })
})
