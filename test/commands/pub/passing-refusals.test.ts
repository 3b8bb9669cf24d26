/** `pub --lines --ack` while a stream refuses messages, is unreachable, or does not answer, and the next run. */
import {describe, expect, type TestContext, test} from 'vitest'
import {open} from '../../../src/lib/transport/open.ts'
import {bus, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

const faults = {
  'says that a duplicate is in process': 10158,
  'says that it is temporarily unavailable': 10008,
  'has no listener': 'absent',
  'stores messages and is silent': 'silent',
} as const
type Fault = (typeof faults)[keyof typeof faults]

const lines = ['1', '2', '3', '4', '5']

/** A stream simulated by the test: it stores lines 1 and 2, then has the fault until `heal`. */
class PlayedStream {
  readonly stored: string[] = []
  readonly #ids = new Map<string, number>()
  readonly #fault: Fault
  readonly #heard = Promise.withResolvers<void>()
  #isWell = false
  #stop = new AbortController()
  heal: () => void = () => {}

  constructor(fault: Fault) {
    this.#fault = fault
  }

  /** Resolves when the fault has occurred. */
  get met(): Promise<void> {
    return this.#heard.promise
  }

  async play(server: NatsServer, {onTestFinished}: TestContext): Promise<void> {
    const fake = await open(server.url())
    onTestFinished(() => fake.close())
    const listen = async (pattern: string, answer: (data: string, id: string) => object | undefined) => {
      const {signal} = this.#stop
      const subscription = await fake.subscribe(pattern, {signal})
      await fake.flush()
      void (async () => {
        for await (const message of subscription) {
          const reply = answer(message.text, message.header('Nats-Msg-Id') ?? '')
          if (reply !== undefined) fake.publish({subject: message.reply ?? '', data: JSON.stringify(reply)})
          if (this.#fault === 'absent' && this.stored.length === 2 && !this.#isWell) return void this.#leave()
        }
      })()
    }
    const names = {total: 1, offset: 0, limit: 1024, streams: ['S']}
    await fake.subscribe('$JS.API.STREAM.NAMES').then(async (asked) => {
      void (async () => {
        for await (const {reply = ''} of asked) fake.publish({subject: reply, data: JSON.stringify(names)})
      })()
    })
    await listen('s.a', (data, id) => this.#take(data, id))
    this.heal = () => {
      this.#isWell = true
      if (this.#fault !== 'absent') return
      this.#stop = new AbortController()
      void listen('s.a', (data, id) => this.#take(data, id))
    }
  }

  #leave(): void {
    this.#stop.abort()
    setTimeout(() => this.#heard.resolve(), 300)
  }

  #take(data: string, id: string): object | undefined {
    const known = this.#ids.get(id)
    const isFaulty = !this.#isWell && this.stored.length >= 2 && (known === undefined || known > 2)
    if (isFaulty) this.#heard.resolve()
    if (isFaulty && typeof this.#fault === 'number')
      return {error: {code: 503, err_code: this.#fault, description: 'not now'}}
    if (known === undefined) {
      this.stored.push(data)
      this.#ids.set(id, this.stored.length)
    }
    if (isFaulty) return undefined
    return {stream: 'S', seq: this.#ids.get(id), ...(known !== undefined && {duplicate: true})}
  }
}

async function scene(fault: Fault, kind: string, context: TestContext) {
  const server = await NatsServer.start(kind === 'cluster' ? 'cluster {name: C, listen: "127.0.0.1:-1"}' : '')
  context.onTestFinished(() => server[Symbol.asyncDispose]())
  const stream = new PlayedStream(fault)
  await stream.play(server, context)
  const args = [
    'pub',
    's.a',
    '--lines',
    '--ack',
    '--template',
    '--msg-id',
    'a-{n}',
    '--window',
    '1',
    '-b',
    server.url(),
  ]
  return {stream, args, stdin: `${lines.join('\n')}\n`}
}

describe.for(['cluster', 'server alone'])('in a %s', (kind) => {
  const passing = Object.entries(faults).filter(([, fault]) => fault !== 'silent' || kind === 'cluster')
  test.concurrent.for(passing)(
    'pub --lines --ack waits while a stream %s, and keeps the order',
    async ([, fault], context) => {
      const {stream, args, stdin} = await scene(fault, kind, context)
      const run = start(args, {stdin})
      await stream.met
      setTimeout(stream.heal, 1000)
      const {code, stderr} = await run.ended
      expect(code, stderr).toBe(0)
      expect(stream.stored).toEqual(lines)
    },
  )

  test.concurrent.for(Object.entries(faults))(
    'pub --lines --ack that was interrupted while a stream %s reports what is stored, and the next run stores the rest',
    async ([, fault], context) => {
      const {stream, args, stdin} = await scene(fault, kind, context)
      const run = start(args, {stdin})
      await stream.met
      run.kill('SIGINT')
      const {code, stderr} = await run.ended
      expect([code, stderr]).toEqual([130, expect.stringContaining('stored: lines 1-2')])
      stream.heal()
      const again = await bus([...args, '--json'], {stdin})
      expect(again.code, again.stderr).toBe(0)
      expect(JSON.parse(again.stdout)).toMatchObject({acknowledged: 5, duplicates: fault === 'silent' ? 3 : 2})
      expect(stream.stored).toEqual(lines)
    },
  )
})

test.concurrent.for(Object.entries(faults))(
  'pub --lines --ack ends with exit code 6 when a stream %s for longer than it waits, and the next run stores the rest',
  async ([, fault], context) => {
    const {stream, args, stdin} = await scene(fault, 'cluster', context)
    const began = performance.now()
    const {code, stderr} = await bus(args, {stdin})
    expect([code, stderr]).toEqual([6, expect.stringMatching(/^bus: line 3: .*leader.*; stored: lines 1-2/m)])
    expect(performance.now() - began).toBeGreaterThan(29_000)
    stream.heal()
    const again = await bus(args, {stdin})
    expect(again.code, again.stderr).toBe(0)
    expect(stream.stored).toEqual(lines)
  },
)
