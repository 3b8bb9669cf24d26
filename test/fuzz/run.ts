/** `npm run fuzz -- [TARGET...] [--seconds N] [--jobs N] [--seed N]`: each target by itself, all of them by default. */
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {parseArgs} from 'node:util'
import {targets} from './targets.ts'

const {positionals, values} = parseArgs({
  allowPositionals: true,
  options: {
    seconds: {type: 'string', default: process.env['FUZZ_SECONDS'] ?? '60'},
    jobs: {type: 'string', default: '1'},
    seed: {type: 'string'},
  },
})
const {seconds, jobs, seed = String(Date.now())} = values
const waiting = positionals.length === 0 ? Object.keys(targets) : positionals
const failed: string[] = []

async function work(): Promise<void> {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const file = join(import.meta.dirname, 'fuzzer.ts')
    const child = spawn(process.execPath, ['--max-old-space-size=1024', file, name, seconds, seed], {stdio: 'inherit'})
    const [code] = await once(child, 'exit')
    if (code !== 0) failed.push(name)
  }
}

await Promise.all(Array.from({length: Number(jobs)}, work))
if (failed.length > 0) console.error(`found something in: ${failed.join(', ')}`)
process.exitCode = failed.length > 0 ? 1 : 0
