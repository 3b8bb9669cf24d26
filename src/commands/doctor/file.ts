/** What `bus doctor` says of a bus file. */

import {counted, formatBytes} from '../../lib/cli/render/units.ts'
import type {FileFacts} from '../../lib/transport/examination.ts'
import {type Finding, failure, ok, warning} from './finding.ts'

/** SQLite writes the WAL back from 4 MiB on; when so much is left, somebody keeps it from doing so. */
const pinnedBytes = 16 * 2 ** 20
/** What the driver cuts the WAL down to. */
const largeBytes = 128 * 2 ** 20
const mostNamed = 5

export function fileFindings(file: FileFacts): Finding[] {
  const free = file.freeBytes > 0 ? `, ${formatBytes(file.freeBytes)} of it free` : ''
  return [
    ok(
      'file',
      `${file.path}, version ${Math.floor(file.version / 1000)}.${file.version % 1000}, ${formatBytes(file.bytes)}${free}`,
    ),
    walFinding(file),
    file.damage.length === 0
      ? ok('integrity', 'quick_check finds nothing wrong')
      : failure(
          'integrity',
          `the file is damaged: ${file.damage.slice(0, mostNamed).join('; ')}`,
          `sqlite3 ${file.path} .recover, into a new file`,
          'keep the damaged file with its -wal beside it',
        ),
    ...clientFindings(file),
    ...file.exposed.map(({path, problem}) =>
      problem === 'open to others'
        ? warning('permissions', `${path} is open to others`, 'bus doctor --fix')
        : failure('permissions', `${path} is a symbolic link`, 'remove it: busline makes its own'),
    ),
  ]
}

function walFinding({walBytes, unwrittenBytes, holders}: FileFacts): Finding {
  const size = `${formatBytes(walBytes)}, ${formatBytes(unwrittenBytes)} not yet in the file`
  const others = holders.filter(({pid}) => pid !== process.pid).map(({pid, command}) => `${pid} (${command})`)
  const open = others.length > 0 ? `; open in ${some(others)}` : ''
  if (unwrittenBytes > pinnedBytes)
    return warning('WAL', `${size}: a reader pins it${open}`, 'end the process that reads without end')
  if (walBytes > largeBytes) return warning('WAL', `${size}${open}`, 'bus doctor --fix')
  return ok('WAL', `${size}${open}`)
}

function clientFindings({clients, deadClients}: FileFacts): Finding[] {
  const live = clients.map(({pid, name, interests}) => {
    const patterns = interests.map(({pattern, queue}) => (queue === undefined ? pattern : `${pattern} (${queue})`))
    return ok(
      'client',
      `${name ?? 'unnamed'}, process ${pid}${patterns.length > 0 ? `: listens to ${some(patterns)}` : ''}`,
    )
  })
  if (deadClients === 0) return live.length > 0 ? live : [ok('clients', 'nobody listens')]
  const gone = `${counted(deadClients, 'client')} ended without a word`
  return [...live, warning('clients', `${gone}; the next one to come forgets them`, 'bus doctor --fix')]
}

function some(names: readonly string[]): string {
  const more = names.length - mostNamed
  return `${names.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
