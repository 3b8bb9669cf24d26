/** The cost of a `bus sub` while nothing happens, and its memory after five million messages. */
import {openSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {type Case, inFolder, type Row, start, startBus} from './measure.ts'

const idleMs = 20_000

export const idle: Case = {
  name: 'idle',
  rows: () =>
    inFolder(async (folder) => {
      const path = join(folder, 'bus.db')
      const subscriber = await startBus(['sub', 'load', '--raw', '--bus', path], openSync('/dev/null', 'w'))
      const pid = subscriber.child.pid ?? 0
      await pause(2000)
      const before = cpuMs(pid)
      await pause(idleMs)
      const cpu = ((cpuMs(pid) - before) / idleMs) * 100
      const publisher = start('inFlight', `sqlite:${path}`, '5000000')
      await publisher.ended
      await pause(2000)
      const memory = residentBytes(pid) / 1e6
      subscriber.child.kill('SIGINT')
      await subscriber.ended
      return [
        {what: 'an idle bus sub, CPU', value: cpu, unit: '%', bar: {atMost: 0.5}},
        {what: 'a bus sub that has shown 5 M messages, memory', value: memory, unit: 'MB', bar: {atMost: 150}},
      ] satisfies Row[]
    }),
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** User and system time of a process so far, to a hundredth of a second. */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024
}
