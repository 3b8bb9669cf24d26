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

describe('what becomes of a message', () => {
  test.each<[NextFlags, string | undefined]>([
    [{}, 'ack'],
    [{ack: true}, 'ack'],
    [{nak: true}, 'nak'],
    [{term: true}, 'term'],
    [{peek: true}, undefined],
  ])('with %j is %s', async (flags, settle) => {
    expect((await planNext(flags, screen, output())).settle).toBe(settle)
  })

  test('is that it comes again after a time within the range', async () => {
    const {delayMs} = await planNext({nak: true, delay: {fromMs: 10, toMs: 20}}, screen, output())
    const all = Array.from({length: 100}, () => delayMs?.() ?? 0)
    expect(Math.min(...all)).toBeGreaterThanOrEqual(10)
    expect(Math.max(...all)).toBeLessThanOrEqual(20)
  })

  test('is nothing when the reader has gone', async () => {
    const out = output()
    const {show} = await planNext({raw: true}, screen, out)
    expect(await show([new Message('a', 'one')])).toBe(true)
    out.gone()
    expect(await show([new Message('a', 'two')])).toBe(false)
    expect(out.written.join('')).toBe('one\ntwo\n')
  })

  test.each<[NextFlags, string]>([
    [{peek: true, ack: true}, '--peek and --ack exclude each other'],
    [{ack: true, nak: true}, '--ack and --nak exclude each other'],
    [{nak: true, term: true}, '--nak and --term exclude each other'],
    [{delay: {fromMs: 1, toMs: 1}}, '--delay goes with --nak'],
    [{raw: true, json: true}, '--raw and --json exclude each other'],
  ])('cannot be said with %j: %s', async (flags, sentence) => {
    await expect(planNext(flags, screen, output())).rejects.toThrow(sentence)
  })
})

describe('how it went', () => {
  test.each([
    [{taken: 3, redelivered: 1, pending: 1200}, 'ack', '3 acknowledged · 1 redelivered · 1,200 pending'],
    [{taken: 1, redelivered: 0, pending: 0}, 'nak', '1 given back · 0 pending'],
    [{taken: 1, redelivered: 0, pending: undefined}, undefined, '1 shown'],
  ] as const)('%j after %s is %s', (taken, settle, text) => {
    expect(takenText(taken, settle)).toBe(text)
  })

  const wanted = {count: 3, stream: 'S', consumer: 'c', timeoutMs: 500, settle: 'ack', stopped: false} as const
  const took = (taken: number) => ({taken, redelivered: 0, pending: undefined})

  test('is a timeout when there were fewer than asked', () => {
    const check = (taken: number, more: object = {}) => checkTaken(took(taken), {...wanted, ...more})
    expect(() => check(3)).not.toThrow()
    expect(() => check(1)).toThrow('consumer c of stream S had only 1 of 3 messages within 500 ms')
    expect(() => check(0)).toThrow('consumer c of stream S had nothing within 500 ms')
    expect(() => check(0, {settle: undefined})).toThrow('consumer c of stream S has nothing to acknowledge')
    expect(() => check(0, {stopped: true})).toThrow('interrupted')
  })
})
