/** The commands with a million messages, as whole processes. */
import {openSync} from 'node:fs'
import {join} from 'node:path'
import {bareInserts} from './limits.ts'
import {bus, type Case, inFolder, median, type Row, startBus, time, writeLines} from './measure.ts'

const count = 1_000_000

export const commands: Case = {
  name: 'commands',
  rows: () =>
    inFolder(async (folder) => {
      const lines = join(folder, 'lines.txt')
      await writeLines(lines, count)
      const runs: Record<'bare' | 'pub' | 'raw' | 'json', number>[] = []
      for (let i = 0; i < 3; i++) {
        const bare = bareInserts(folder, 100, 500_000)
        const path = join(folder, `pub${i}.db`)
        const pub = count / time([bus, 'pub', 'load', '--lines', '--file', lines, '--bus', path])
        const raw = await subscribe(folder, lines, '--raw', i)
        runs.push({bare, pub, raw, json: await subscribe(folder, lines, '--json', i)})
      }
      const besideInserts = (what: string, name: 'pub' | 'raw' | 'json', atLeast: number): Row[] => [
        {what, value: median(runs.map((run) => run[name])), unit: 'k msg/s'},
        {what: '  of the inserts', value: median(runs.map((run) => run[name] / run.bare)), unit: 'x', bar: {atLeast}},
      ]
      return [
        {
          what: 'bare SQLite, 100 inserts per transaction',
          value: median(runs.map(({bare}) => bare)),
          unit: 'k msg/s',
        },
        ...besideInserts('bus pub --lines, 1 M x 128 B, whole process', 'pub', 0.9),
        ...besideInserts('bus sub --raw, 1 M into a file', 'raw', 1),
        ...besideInserts('bus sub --json, 1 M into a file', 'json', 0.7),
      ] satisfies Row[]
    }),
}

/** From the start of the publisher to the end of the subscriber, including the publisher's startup. */
async function subscribe(folder: string, lines: string, flag: string, run: number): Promise<number> {
  const path = join(folder, `sub${run}.db`)
  const output = openSync(join(folder, 'output'), 'w')
  const subscriber = await startBus(['sub', 'load', '-n', String(count), flag, '--bus', path], output)
  const begin = performance.now()
  time([bus, 'pub', 'load', '--lines', '--file', lines, '--bus', path])
  await subscriber.ended
  return count / (performance.now() - begin)
}
