import {describe, expect, test} from 'vitest'
import {checkTaken, type NextFlags, planNext, takenText} from '../../../src/commands/consumer/next-plan.ts'
import {Message} from '../../../src/lib/core/message.ts'

const screen = {terminal: false}

function output() {
  const closed = new AbortController()
  const written: string[] = []
  return {
    written,
    gone: () => closed.abort(),
    write: (data: string | Uint8Array) => void written.push(String(data)),
    end: async () => {},
    closed: closed.signal,
  }
}

describe('consumer next', () => {
  test.each<[NextFlags, string | undefined]>([
    [{}, 'ack'],
    [{ack: true}, 'ack'],
    [{nak: true}, 'nak'],
    [{term: true}, 'term'],
    [{peek: true}, undefined],
  ])('with %j settles messages by %s', async (flags, settle) => {
    expect((await planNext(flags, screen, output())).settle).toBe(settle)
  })

  test('with --delay returns messages after a time within the range', async () => {
    const {delayMs} = await planNext({nak: true, delay: {fromMs: 10, toMs: 20}}, screen, output())
    const all = Array.from({length: 100}, () => delayMs?.() ?? 0)
    expect(Math.min(...all)).toBeGreaterThanOrEqual(10)
    expect(Math.max(...all)).toBeLessThanOrEqual(20)
  })

  test('settles nothing when the reader of stdout is gone', async () => {
    const out = output()
    const {show} = await planNext({raw: true, count: 2}, screen, out)
    expect(await show([new Message('a', 'one')])).toBe(true)
    out.gone()
    expect(await show([new Message('a', 'two')])).toBe(false)
    expect(out.written.join('')).toBe('one\ntwo\n')
  })
})

describe('the result of consumer next', () => {
  test.each([
    [
      {taken: 3, redelivered: 1, pending: 1200, isAcknowledged: true},
      'ack',
      '3 acknowledged · 1 redelivered · 1,200 pending',
    ],
    [{taken: 1, redelivered: 0, pending: 0, isAcknowledged: true}, 'nak', '1 returned · 0 pending'],
    [{taken: 1, redelivered: 0, pending: undefined, isAcknowledged: true}, undefined, '1 shown'],
  ] as const)('%j after %s is: %s', (taken, settle, text) => {
    expect(takenText(taken, settle)).toBe(text)
  })

  const wanted = {count: 3, stream: 'S', consumer: 'c', timeoutMs: 500, settle: 'ack', stopped: false} as const
  const took = (taken: number) => ({taken, redelivered: 0, pending: undefined, isAcknowledged: true})

  test('is a timeout if there were fewer messages than requested', () => {
    const check = (taken: number, more: object = {}) => checkTaken(took(taken), {...wanted, ...more})
    expect(() => check(3)).not.toThrow()
    expect(() => check(1)).toThrow('consumer c of stream S had only 1 of 3 messages within 500 ms')
    expect(() => check(0)).toThrow('consumer c of stream S had nothing within 500 ms')
    expect(() => check(0, {settle: undefined})).toThrow('consumer c of stream S has no unacknowledged messages')
    expect(() => check(0, {stopped: true})).toThrow('interrupted')
  })
})
