/**
 * The NATS CLI and `bus` doing the same work on one server, each a process of its own, in turns: A B, B A. Needs `nats` on PATH.
 */
import {type ChildProcess, spawn, spawnSync} from 'node:child_process'
import {once} from 'node:events'
import {NatsServer} from '../test/nats-server.ts'
import {bus, type Case, inFolder, median, type Row} from './measure.ts'

const rounds = 5
const payload = ['--size', '128']

/** One kind of work: how each program does it, and how many times as fast `bus` should be. */
interface Work {
  readonly what: string
  /** Called before each program, with a new number. */
  readonly before?: (on: Server, turn: number) => void
  readonly nats: (turn: number) => readonly string[]
  readonly bus: (turn: number) => readonly string[]
  /** A program of the NATS CLI that answers both. */
  readonly responder?: readonly string[]
  readonly atLeast: number
}

const stream = 'benchstream'
const stored = 200_000
const quiet = '--no-progress'

const works: readonly Work[] = [
  {
    what: 'bench pub, 1 M',
    nats: () => ['bench', 'pub', 'load', '--msgs', '1000000', quiet, ...payload],
    bus: () => ['bench', 'pub', 'load', '--msgs', '1000000', ...payload],
    atLeast: 0.85,
  },
  {
    what: 'bench pub --ack --window 1000, 100 k',
    before: (on) => on.bus('stream', 'purge', stream, '--yes'),
    nats: () => ['bench', 'js', 'pub', 'async', 'stored', '--msgs', '100000', '--batch', '1000', quiet, ...payload],
    bus: () => ['bench', 'pub', 'stored', '--ack', '--window', '1000', '--msgs', '100000', ...payload],
    atLeast: 1.1,
  },
  {
    what: 'bench pub --ack --window 1, 10 k',
    nats: () => ['bench', 'js', 'pub', 'sync', 'stored', '--msgs', '10000', quiet, ...payload],
    bus: () => ['bench', 'pub', 'stored', '--ack', '--window', '1', '--msgs', '10000', ...payload],
    atLeast: 0.9,
  },
  {
    what: 'bench req, 10 k one by one',
    nats: () => ['bench', 'service', 'request', 'svc', '--msgs', '10000', quiet, ...payload],
    bus: () => ['bench', 'req', 'svc', '--msgs', '10000', ...payload],
    responder: ['bench', 'service', 'serve', 'svc', quiet],
    atLeast: 0.9,
  },
  {
    what: 'bench req --window 16, 50 k',
    nats: () => ['bench', 'service', 'request', 'svc', '--msgs', '50000', '--clients', '16', quiet, ...payload],
    bus: () => ['bench', 'req', 'svc', '--msgs', '50000', '--window', '16', ...payload],
    responder: ['bench', 'service', 'serve', 'svc', quiet],
    atLeast: 1.2,
  },
  {
    what: `bench replay, ${stored / 1000} k`,
    before: fill,
    nats: () => ['bench', 'js', 'ordered', '--msgs', String(stored), quiet],
    bus: () => ['bench', 'replay', stream, '--msgs', String(stored)],
    atLeast: 1,
  },
  {
    what: `bench replay --durable, ${stored / 1000} k`,
    before(on, turn) {
      fill(on)
      on.bus('consumer', 'add', stream, `d${turn}`, '--max-ack-pending', '1000')
    },
    nats: (turn) => [
      'bench',
      'js',
      'consume',
      '--msgs',
      String(stored),
      '--consumer',
      `d${turn}`,
      '--batch',
      '1000',
      quiet,
    ],
    bus: (turn) => ['bench', 'replay', stream, '--durable', `d${turn}`, '--msgs', String(stored)],
    atLeast: 1,
  },
]

class Server {
  readonly env: NodeJS.ProcessEnv
  readonly url: string

  constructor(url: string, home: string) {
    this.url = url
    this.env = {...process.env, NATS_URL: url, HOME: home, XDG_CONFIG_HOME: home}
  }

  bus(...args: string[]): string {
    return this.#run(process.execPath, [bus, ...args, '-b', this.url])
  }

  nats(...args: string[]): string {
    return this.#run('nats', args)
  }

  /** Like `nats`, while this process reads what another program says. */
  async natsMeanwhile(args: readonly string[]): Promise<string> {
    const child = spawn('nats', args, {env: this.env, stdio: ['ignore', 'pipe', 'ignore']})
    const closed = once(child, 'close')
    let output = ''
    for await (const text of child.stdout) output += text
    await closed
    return output
  }

  /** Starts a program and waits until its stderr has this. */
  async start(program: string, args: readonly string[], live: RegExp): Promise<ChildProcess> {
    const child = spawn(program, args, {env: this.env, stdio: ['ignore', 'ignore', 'pipe']})
    for await (const text of child.stderr.iterator({destroyOnReturn: false})) if (live.test(String(text))) break
    child.stderr.resume()
    return child
  }

  #run(program: string, args: readonly string[]): string {
    const {status, stdout, stderr} = spawnSync(program, args, {env: this.env, encoding: 'utf8', timeout: 120_000})
    if (status === 0) return stdout
    throw new Error(`${[program, ...args].join(' ')} exited ${status}: ${stderr}`)
  }
}

export const beside: Case = {
  name: 'beside',
  async rows() {
    if (spawnSync('nats', ['--version']).status !== 0)
      return [{what: 'nats, the NATS CLI, is not on PATH: not measured', value: 0, unit: ''}]
    return await inFolder(async (folder) => {
      await using server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
      const on = new Server(server.url(), folder)
      on.bus('stream', 'add', stream, 'stored')
      const rows: Row[] = []
      for (const work of works) rows.push(...(await compare(on, work)))
      return [...rows, ...(await echo(on))]
    })
  },
}

function fill(on: Server): void {
  if (JSON.parse(on.bus('stream', 'info', stream, '--json')).messages === stored) return
  on.bus('stream', 'purge', stream, '--yes')
  on.bus('pub', 'stored', 'x'.repeat(128), '-n', String(stored), '--ack')
}

async function compare(on: Server, {what, before, responder, atLeast, ...work}: Work): Promise<Row[]> {
  const answering = responder && (await on.start('nats', responder, /hit control-c/))
  let turn = 0
  const programs = [
    () => {
      before?.(on, ++turn)
      return goRate(on.nats(...work.nats(turn)))
    },
    () => {
      before?.(on, ++turn)
      return JSON.parse(on.bus(...work.bus(turn), '--json')).sides[0].rate as number
    },
  ] as const
  const rows = besideGo(what, inTurns(...programs), atLeast)
  await end(answering)
  return rows
}

/** `serve --echo` and `nats reply --echo`, asked by eight clients of the NATS CLI. */
async function echo(on: Server): Promise<Row[]> {
  const rateOf = async (program: string, args: readonly string[], live: RegExp): Promise<number> => {
    const responder = await on.start(program, args, live)
    const asking = ['bench', 'service', 'request', 'echo', '--msgs', '40000', '--clients', '8', quiet, ...payload]
    const rate = goRate(await on.natsMeanwhile(asking))
    await end(responder)
    return rate
  }
  const go = () => rateOf('nats', ['reply', 'echo', '--echo'], /listening/i)
  const ours = () => rateOf(process.execPath, [bus, 'serve', 'echo', '--echo', '-b', on.url], /listening/i)
  const pairs: {go: number; ours: number}[] = []
  for (let i = 0; i < rounds; i++) {
    if (i % 2 === 0) pairs.push({go: await go(), ours: await ours()})
    else {
      const first = await ours()
      pairs.push({ours: first, go: await go()})
    }
  }
  return besideGo('serve --echo, asked by 8 clients', pairs, 1)
}

function inTurns(go: () => number, ours: () => number): {go: number; ours: number}[] {
  return Array.from({length: rounds}, (_, i) => {
    if (i % 2 === 0) return {go: go(), ours: ours()}
    const first = ours()
    return {ours: first, go: go()}
  })
}

function besideGo(what: string, pairs: readonly {go: number; ours: number}[], atLeast: number): Row[] {
  return [
    {what: `nats: ${what}`, value: median(pairs.map(({go}) => go / 1000)), unit: 'k/s'},
    {what: 'bus', value: median(pairs.map(({ours}) => ours / 1000)), unit: 'k/s'},
    {what: '  times as fast', value: median(pairs.map(({go, ours}) => ours / go)), unit: 'x', bar: {atLeast}},
  ]
}

/** The rate in the report of a measurement of the NATS CLI; with several clients, of all of them. */
function goRate(output: string): number {
  const rates = [...output.matchAll(/stats: ([\d,]+) msgs\/sec/g)].map(([, text = '']) =>
    Number(text.replaceAll(',', '')),
  )
  return rates.at(-1) ?? Number.NaN
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined) return
  child.kill()
  await once(child, 'exit')
}
