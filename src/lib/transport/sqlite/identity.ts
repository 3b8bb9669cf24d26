/**
 * Identifies processes: distinguishes a process from a later one with the same number, and determines where process numbers are
 * comparable.
 */
import {readFileSync, readlinkSync} from 'node:fs'
import {hostname} from 'node:os'
import {systemCode} from './database.ts'

/** `hidden`: a process with this number exists, but the system does not report its start time. */
export type ProcessState = 'running' | 'gone' | 'hidden'

/** The start time of this process, in the system's own form; empty if the system does not report it. */
export function ownStart(): string {
  return startOf(process.pid) ?? ''
}

/** The state of the process that had this number and start time on this host. */
export function processState(pid: number, started: string): ProcessState {
  const found = startOf(pid)
  if (found !== undefined) {
    if (started === '') return 'hidden'
    return found === started ? 'running' : 'gone'
  }
  try {
    process.kill(pid, 0)
  } catch (error) {
    // Any other error means that it exists.
    if (systemCode(error) === 'ESRCH') return 'gone'
  }
  return process.platform === 'linux' ? 'hidden' : 'running'
}

/** Undefined if the system does not report it: without /proc, if it hides other users, or without a free descriptor. */
function startOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie has ended, so its start time is ignored.
    return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : fields[19]
  } catch {
    return undefined
  }
}

/** The scope of process numbers: this host since its boot, and this container's process namespace. */
export function hostIdentity(): string {
  if (process.platform !== 'linux') return hostname()
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    return `${hostname()} ${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}
