/** Which process one is, told from a later one with the same number, and where such numbers mean the same. */
import {readFileSync, readlinkSync} from 'node:fs'
import {hostname} from 'node:os'
import {systemCode} from './db.ts'

/** `hidden`: there is one with this number, and the system does not say since when. */
export type ProcessState = 'running' | 'gone' | 'hidden'

/** The start time of this process, in the system's own form; empty when the system does not say. */
export function ownStart(): string {
  return startOf(process.pid) ?? ''
}

/** What is known of the process that had this number and start time on this host. */
export function processState(pid: number, started: string): ProcessState {
  const found = startOf(pid)
  if (found !== undefined) {
    if (started === '') return 'hidden'
    return found === started ? 'running' : 'gone'
  }
  try {
    process.kill(pid, 0)
  } catch (error) {
    // Any other refusal means that there is one.
    if (systemCode(error) === 'ESRCH') return 'gone'
  }
  return process.platform === 'linux' ? 'hidden' : 'running'
}

/** Undefined when the system does not say: without /proc, with one that hides other users, without a free descriptor. */
function startOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie has ended; its start time is nobody's.
    return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : fields[19]
  } catch {
    return undefined
  }
}

/** Where process numbers mean the same: this host since its boot, and this container's process namespace. */
export function hostIdentity(): string {
  if (process.platform !== 'linux') return hostname()
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    return `${hostname()} ${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}
