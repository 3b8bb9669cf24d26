/** `--step`: the user decides on each message. */
import type {ChalkInstance} from 'chalk'
import type {Message} from '../../core/message.ts'
import type {Refusal, Sink} from '../../messaging/sinks/sink.ts'
import {tell} from '../io/terminal.ts'
import {humanView} from '../render/human.ts'
import {prompting} from './prompt.ts'

interface Deciding {
  readonly signal: AbortSignal
  readonly paint: ChalkInstance | undefined
  /** Ends the replay. */
  readonly quit: () => void
}

type Decision = 'ack' | 'nak' | 'term' | 'skip' | 'hex' | 'quit'

/** Shows each stored message and asks what to do with it. */
export function stepSink({signal, paint, quit}: Deciding): Sink {
  const human = humanView({paint, stored: true})
  let n = 0
  return {
    batch: 1,
    depth: 1,
    async take([message]) {
      if (message === undefined) return undefined
      tell(human.message(message, ++n))
      for (;;) {
        const decision = await ask(signal)
        if (decision === 'hex') tell(hexDump(message))
        else if (decision === 'quit') {
          quit()
          return {reason: 'left undecided', verdict: 'leave'}
        } else return refusalOf(decision)
      }
    },
    async [Symbol.asyncDispose]() {},
  }
}

function refusalOf(decision: Exclude<Decision, 'hex' | 'quit'>): Refusal | undefined {
  if (decision === 'ack') return undefined
  if (decision === 'term') return {reason: 'terminated by the user', verdict: 'term'}
  return {reason: decision === 'nak' ? 'returned by the user' : 'skipped by the user', verdict: 'leave'}
}

async function ask(signal: AbortSignal): Promise<Decision> {
  const {default: select} = await import('@inquirer/select')
  const choices = [
    {value: 'ack', name: 'ack: it is done'},
    {value: 'nak', name: 'nak: deliver it again'},
    {value: 'term', name: 'term: never deliver it again'},
    {value: 'skip', name: 'skip: leave it for later'},
    {value: 'hex', name: 'show it again, as hex'},
    {value: 'quit', name: 'quit'},
  ] as const
  const message = 'What should happen to this message?'
  return await prompting(() => select<Decision>({message, choices: [...choices]}, {output: process.stderr, signal}))
}

/** Sixteen bytes per line: offset, hex, and printable characters. */
function hexDump({data}: Message): string {
  const lines: string[] = []
  for (let at = 0; at < data.length; at += 16) {
    const row = [...data.subarray(at, at + 16)]
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(47)}  ${text}\n`)
  }
  return lines.length === 0 ? 'the payload is empty\n' : lines.join('')
}
