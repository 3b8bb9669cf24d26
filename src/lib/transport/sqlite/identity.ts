/** Which process one is, told from a later one with the same number, and where such numbers mean the same. */
import {readFileSync, readlinkSync} from 'node:fs'
import {hostname} from 'node:os'

/** The start time of a process, in the system's own form; undefined when there is none. */
export function processIdentity(pid: number): string | undefined {
  if (process.platform !== 'linux') return isRunning(pid) ? '' : undefined
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
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
