/** The findings about a bus file. */

import {counted, formatBytes} from '../../lib/cli/render/units.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import type {FileFacts} from '../../lib/transport/examination.ts'
import {type Finding, failure, good, warning} from './finding.ts'

/** SQLite checkpoints the WAL from 4 MiB on; if this much is left, a reader prevents it. */
const pinnedBytes = 16 * 2 ** 20
/** The size to which the driver truncates the WAL. */
const largeBytes = 128 * 2 ** 20
const mostNamed = 5
/** An ordinary bus file always has some messages that are not removed yet. */
const reportedBytes = 2 ** 20

export function fileFindings(file: FileFacts): Finding[] {
  const free = file.freeBytes > 0 ? `, ${formatBytes(file.freeBytes)} of it free` : ''
  return [
    good(
      'file',
      `${file.path}, version ${Math.floor(file.version / 1000)}.${file.version % 1000}, ${formatBytes(file.bytes)}${free}${file.isReadOnly ? ', open read-only' : ''}`,
    ),
    ...reclaimableFindings(file),
    walFinding(file),
    file.damage.length === 0
      ? good('integrity', 'quick_check found no problems')
      : failure(
          'integrity',
          `the file is damaged: ${file.damage.slice(0, mostNamed).join('; ')}`,
          `sqlite3 ${shellWord(file.path)} .recover, into a new file`,
          'keep the damaged file and its -wal',
        ),
    ...clientFindings(file),
    ...file.exposed.map(({path, problem}) =>
      problem === 'open to others'
        ? warning('permissions', `${path} is accessible to other users`, 'bus doctor --fix')
        : failure('permissions', `${path} is a symbolic link`, 'remove it: busline creates its own'),
    ),
  ]
}

function reclaimableFindings({reclaimable: {messages, bytes} = {messages: 0, bytes: 0}}: FileFacts): Finding[] {
  if (bytes < reportedBytes) return []
  const text = `${counted(messages, 'message')} in no stream, ${formatBytes(bytes)}`
  return [good('reclaimable', `${text}; publishers remove them an hour after they were published`)]
}

function walFinding({walBytes, unwrittenBytes = 0, holders, isReadOnly}: FileFacts): Finding {
  const rest = isReadOnly ? '' : `, ${formatBytes(unwrittenBytes)} not yet written to the file`
  const size = formatBytes(walBytes) + rest
  const others = holders.filter(({pid}) => pid !== process.pid).map(({pid, command}) => `${pid} (${command})`)
  const open = others.length > 0 ? `; open in ${some(others)}` : ''
  if (unwrittenBytes > pinnedBytes)
    return warning(
      'WAL',
      `${size}: a long-running reader prevents that${open}`,
      'end the process with the long-running read',
    )
  if (walBytes > largeBytes) return warning('WAL', `${size}${open}`, 'bus doctor --fix')
  return good('WAL', `${size}${open}`)
}

function clientFindings({clients, deadClients}: FileFacts): Finding[] {
  const live = clients.map(({pid, name, interests}) => {
    const patterns = interests.map(({pattern, queue}) => (queue === undefined ? pattern : `${pattern} (${queue})`))
    return good(
      'client',
      `${name ?? 'unnamed'}, process ${pid}${patterns.length > 0 ? `: subscribes to ${some(patterns)}` : ''}`,
    )
  })
  if (deadClients === 0) return live.length > 0 ? live : [good('clients', 'none')]
  const gone = `${counted(deadClients, 'client')} ended without unsubscribing`
  return [...live, warning('clients', `${gone}; the next client removes them`, 'bus doctor --fix')]
}

function some(names: readonly string[]): string {
  const more = names.length - mostNamed
  return `${names.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
