/**
 * `npm run bench [NAME…] [-- --json]`: measures everything in one run and prints a table, or one JSON document. A missed target
 * is marked; nothing fails, because machines differ: compare the figures with the limits beside them.
 */
import {cpus} from 'node:os'
import {backup} from './backup.ts'
import {beside} from './beside.ts'
import {checks} from './checks.ts'
import {commands} from './commands.ts'
import {events} from './events.ts'
import {far} from './far.ts'
import {file} from './file.ts'
import {growth} from './growth.ts'
import {idle} from './idle.ts'
import {kv} from './kv.ts'
import {limits} from './limits.ts'
import type {Row} from './measure.ts'
import {nats} from './nats.ts'
import {openStreams} from './open.ts'
import {replay} from './replay.ts'
import {rpc} from './rpc.ts'
import {startup} from './startup.ts'

const cases = [
  startup,
  limits,
  file,
  commands,
  checks,
  nats,
  beside,
  replay,
  backup,
  kv,
  openStreams,
  rpc,
  events,
  idle,
]
/** These take long, so they run only if they are named. */
const onRequest = [growth, far]
const asked = process.argv.slice(2).filter((arg) => !arg.startsWith('-'))
const json = process.argv.includes('--json')
const results: Record<string, Row[]> = {}

for (const {name, rows} of asked.length === 0 ? cases : [...cases, ...onRequest]) {
  if (asked.length > 0 && !asked.includes(name)) continue
  const measured = await rows()
  results[name] = measured
  if (!json) print(name, measured)
}
if (json) {
  const machine = {node: process.version, cpu: cpus()[0]?.model, cores: cpus().length}
  console.log(JSON.stringify({machine, time: new Date().toISOString(), results}, null, 2))
}

function print(name: string, rows: readonly Row[]): void {
  console.log(name)
  for (const row of rows) {
    const value = row.value < 10 ? row.value.toFixed(2) : Math.round(row.value).toLocaleString('en')
    console.log(`  ${row.what.padEnd(48)} ${value.padStart(9)} ${row.unit.padEnd(8)} ${verdict(row)}`)
  }
}

function verdict({value, bar}: Row): string {
  if (bar === undefined) return ''
  if ('atMost' in bar) return `${value <= bar.atMost ? 'ok' : 'MISSED'}, bar <= ${bar.atMost}`
  return `${value >= bar.atLeast ? 'ok' : 'MISSED'}, bar >= ${bar.atLeast}`
}
