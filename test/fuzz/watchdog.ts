/** Watches a fuzzer: if one input takes too long, it is stored, and the process is killed from outside its event loop. */
import {writeFileSync} from 'node:fs'
import {workerData} from 'node:worker_threads'

const {shared, path, stuckMs} = workerData as {shared: SharedArrayBuffer; path: string; stuckMs: number}
const counters = new Int32Array(shared, 0, 2)
let last = -1

setInterval(() => {
  const now = Atomics.load(counters, 0)
  if (now !== last) {
    last = now
    return
  }
  writeFileSync(path, new Uint8Array(shared, 16).slice(0, counters[1]))
  process.stderr.write(`an input took more than ${stuckMs} ms\n  by ${path}\n`)
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), 200)
}, stuckMs)
