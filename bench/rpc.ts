/** RPC calls, compared with plain requests to the same kind of service, 64 at a time. */
import {join} from 'node:path'
import {call} from '../src/lib/protocols/loom-rpc/call.ts'
import {open} from '../src/lib/transport/open.ts'
import {NatsServer} from '../test/nats-server.ts'
import {type Case, inFolder, median, type Row, start} from './measure.ts'

const calls = 20_000
const concurrency = 64
const rounds = 5

export const rpc: Case = {
  name: 'rpc',
  rows: () =>
    inFolder(async (folder) => {
      await using server = await NatsServer.start()
      return [...(await measured('the bus file', join(folder, 'bus.db'))), ...(await measured('NATS', server.url()))]
    }),
}

async function measured(name: string, url: string): Promise<Row[]> {
  const service = start('serve', url)
  const methods = start('rpc', url)
  try {
    await service.line()
    await methods.line()
    await using bus = await open(url)
    const subject = 'loom.rpc.bench.one.echo'
    const payload = '{"ping":1}'
    const bare: number[] = []
    const ours: number[] = []
    for (let i = 0; i < rounds; i++) {
      bare.push(await rateOf(() => bus.request({subject: 'echo', data: payload})))
      ours.push(await rateOf(() => call(bus, {subject, method: 'echo', callerId: 'bench', payload})))
    }
    const share = bare.map((rate, i) => (100 * (ours[i] ?? 0)) / rate)
    return [
      {what: `bare requests, ${concurrency} at a time, ${name}`, value: median(bare), unit: 'k/s'},
      {what: `RPC calls, ${concurrency} at a time, ${name}`, value: median(ours), unit: 'k/s'},
      {what: '  of the bare requests', value: median(share), unit: '%', bar: {atLeast: 70}},
    ]
  } finally {
    service.child.kill()
    methods.child.kill()
    await Promise.all([service.ended, methods.ended])
  }
}

/** Thousands per second. */
async function rateOf(ask: () => Promise<unknown>): Promise<number> {
  let left = calls
  const begin = performance.now()
  const work = async () => {
    while (left-- > 0) await ask()
  }
  await Promise.all(Array.from({length: concurrency}, work))
  return calls / (performance.now() - begin)
}
