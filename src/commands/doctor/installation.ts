/** What `bus doctor` says of the installation: versions, where things lie, and who else can read them. */
import {chmodSync, statSync} from 'node:fs'
import {dirname} from 'node:path'
import {counted} from '../../lib/cli/render/units.ts'
import {configFolder, usedContext} from '../../lib/cli/target/bus.ts'
import {contextFolder, type Entry, listEntries, readEntry} from '../../lib/cli/target/context-files.ts'
import {type Finding, failure, ok, type Tell, warning} from './finding.ts'

type Env = NodeJS.ProcessEnv

/** `repair` is told each thing that was done; without it nothing is. */
export function examineInstallation(
  {version, env}: {readonly version: string; readonly env: Env},
  tell: Tell,
  repair?: (did: string) => void,
): void {
  tell(ok('busline', `${version}, ${dirname(dirname(process.argv[1] ?? ''))}`))
  tell(ok('Node', `${process.version}, ${process.execPath}, ${process.platform} ${process.arch}`))
  const entries = listEntries(env)
  const ours = contextFolder('busline', env)
  tell(ok('contexts', `${counted(entries.length, 'context')}; ours lie in ${ours}`))
  for (const entry of entries) for (const finding of contextFindings(entry)) tell(finding)
  const used = usedContext(env)
  if (used !== undefined && entries.every(({name}) => name !== used))
    tell(failure('contexts', `bus context use chose ${used}, which is not there`, 'bus context use --none'))
  const own = entries.filter(({from}) => from === 'busline').map(({path}) => path)
  for (const path of [`${configFolder(env)}/busline`, ours, ...own]) examinePath(path, tell, repair)
}

function contextFindings(entry: Entry): Finding[] {
  try {
    readEntry(entry)
    return []
  } catch (error) {
    return [warning('contexts', (error as Error).message, `bus context rm ${entry.name}`)]
  }
}

/** A file or folder that is to be its owner's only. */
function examinePath(path: string, tell: Tell, repair?: (did: string) => void): void {
  const stat = statSync(path, {throwIfNoEntry: false})
  if (process.platform === 'win32' || stat === undefined || (stat.mode & 0o077) === 0) return
  const mode = stat.isDirectory() ? 0o700 : 0o600
  const chmod = `chmod ${mode.toString(8)} ${path}`
  if (repair === undefined) tell(warning('permissions', `${path} is open to others`, chmod, 'bus doctor --fix'))
  else {
    chmodSync(path, mode)
    repair(chmod)
  }
}
