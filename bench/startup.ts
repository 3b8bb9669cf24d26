/** Whole processes, alternating, so that a slow minute of the machine affects all of them. */
import {join} from 'node:path'
import {open} from '../src/lib/transport/open.ts'
import {NatsServer} from '../test/nats-server.ts'
import {bus, type Case, inFolder, median, type Row, startBus, time} from './measure.ts'

const rounds = 21

/** A command line, and how many times as long as `node -e 0` it may take. */
interface Command {
  readonly what: string
  readonly args: readonly string[]
  readonly atMost?: number
}

export const startup: Case = {
  name: 'startup',
  rows: () =>
    inFolder(async (folder) => {
      await using server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
      const [file, unused] = [join(folder, 'bus.db'), join(folder, 'unused.db')]
      const services = [await prepare(file), await prepare(server.url())]
      const commands: Command[] = [
        {what: 'bus --version', args: [bus, '--version'], atMost: 1.1},
        {what: 'bus --help', args: [bus, '--help']},
        {what: 'bus pub --help', args: [bus, 'pub', '--help'], atMost: 1.5},
        {
          what: 'bus pub, a file that no other process uses',
          args: [bus, 'pub', 'orders', 'x', '-b', unused],
          atMost: 1.5,
        },
        ...daily('bus file', file, 1.5),
        ...daily('NATS', server.url(), 1.6),
      ]
      const bare: number[] = []
      const ratios = commands.map((): number[] => [])
      for (let i = 0; i < rounds; i++) {
        const node = time(['-e', '0'])
        bare.push(node)
        for (const [at, {args}] of commands.entries()) ratios[at]?.push(time(args) / node)
      }
      for (const {child, ended} of services) {
        child.kill('SIGINT')
        await ended
      }
      const rows = commands.map(({what, atMost}, at) => ({
        what: `${what} ÷ node -e 0`,
        value: median(ratios[at] ?? []),
        unit: 'x',
        ...(atMost !== undefined && {bar: {atMost}}),
      }))
      return [{what: 'node -e 0', value: median(bare), unit: 'ms'}, ...rows] satisfies Row[]
    }),
}

/** Fills a stream, adds a consumer, and starts a service. */
async function prepare(url: string): ReturnType<typeof startBus> {
  await using transport = await open(url)
  await transport.streams.add({name: 'ORDERS', subjects: ['orders']})
  time([bus, 'pub', 'orders', 'x', '-n', '100', '--ack', '--quiet', '-b', url])
  time([bus, 'consumer', 'add', 'ORDERS', 'next', '--quiet', '-b', url])
  return startBus(['serve', 'echo', '--echo', '-b', url], 'ignore')
}

function daily(where: string, url: string, atMost: number): Command[] {
  const command = (...args: string[]): Command => ({
    what: `bus ${args.join(' ')}, ${where}`,
    args: [bus, ...args, '-b', url],
    atMost,
  })
  return [
    command('pub', 'orders', 'x'),
    command('req', 'echo', 'x'),
    command('sub', 'orders', '--from', 'first', '-n', '1'),
    command('stream', 'info', 'ORDERS'),
    command('consumer', 'next', 'ORDERS', 'next'),
  ]
}
