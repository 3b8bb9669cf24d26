/** Whole processes, alternating, so that a slow minute of the machine affects all of them. */
import {join} from 'node:path'
import {bus, type Case, inFolder, median, type Row, startBus, time} from './measure.ts'

const rounds = 21

export const startup: Case = {
  name: 'startup',
  rows: () =>
    inFolder(async (folder) => {
      const path = join(folder, 'bus.db')
      const used = join(folder, 'used.db')
      const subscriber = await startBus(['sub', 'other', '--bus', used], 'ignore')
      const runs: Record<string, string[]> = {
        node: ['-e', '0'],
        version: [bus, '--version'],
        help: [bus, '--help'],
        pub: [bus, 'pub', 'orders', 'hello', '--bus', path],
        pubUsed: [bus, 'pub', 'orders', 'hello', '--bus', used],
      }
      const times: Record<string, number[]> = Object.fromEntries(Object.keys(runs).map((name) => [name, []]))
      for (let i = 0; i < rounds; i++) {
        for (const [name, args] of Object.entries(runs)) times[name]?.push(time(args))
      }
      subscriber.child.kill('SIGINT')
      await subscriber.ended
      const ratio = (name: string) => median((times[name] ?? []).map((ms, i) => ms / (times['node']?.[i] ?? 1)))
      return [
        {what: 'node -e 0', value: median(times['node'] ?? []), unit: 'ms'},
        {what: 'bus --version ÷ node -e 0', value: ratio('version'), unit: 'x', bar: {atMost: 2}},
        {what: 'bus --help ÷ node -e 0', value: ratio('help'), unit: 'x', bar: {atMost: 2.2}},
        {what: 'bus pub, file in use ÷ node -e 0', value: ratio('pubUsed'), unit: 'x', bar: {atMost: 2.2}},
        {what: 'bus pub, file not in use ÷ node -e 0', value: ratio('pub'), unit: 'x', bar: {atMost: 2.2}},
      ] satisfies Row[]
    }),
}
