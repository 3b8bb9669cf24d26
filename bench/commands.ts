/** The commands with a million messages, as whole processes. */
import {openSync} from 'node:fs'
import {join} from 'node:path'
import {bus, type Case, inFolder, median, type Row, startBus, time, writeLines} from './measure.ts'

const count = 1_000_000

export const commands: Case = {
  name: 'commands',
  rows: () =>
    inFolder(async (folder) => {
      const lines = join(folder, 'lines.txt')
      await writeLines(lines, count)
      const runs = {pub: [] as number[], raw: [] as number[], json: [] as number[]}
      for (let i = 0; i < 3; i++) {
        runs.pub.push(
          count / time([bus, 'pub', 'load', '--lines', '--file', lines, '--bus', join(folder, `pub${i}.db`)]),
        )
        for (const output of ['raw', 'json'] as const)
          runs[output].push(await subscribe(folder, lines, `--${output}`, i))
      }
      return [
        {
          what: 'bus pub --lines, 1 M x 128 B, whole process',
          value: median(runs.pub),
          unit: 'k msg/s',
          bar: {atLeast: 250},
        },
        {what: 'bus sub --raw, 1 M into a file', value: median(runs.raw), unit: 'k msg/s', bar: {atLeast: 300}},
        {what: 'bus sub --json, 1 M into a file', value: median(runs.json), unit: 'k msg/s', bar: {atLeast: 200}},
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
