/** Help, topics and unknown commands: what oclif does for us. */
import type {Logger, PJSON} from '@oclif/core/interfaces'
import {run} from '@oclif/core/run'
import {settings} from '@oclif/core/settings'
import pkg from '../../../package.json' with {type: 'json'}
import {report} from './report.ts'
import {cannotWrite} from './terminal.ts'

/** oclif's own talk for its developers, and the package behind it, are not loaded. */
const silent: Logger = {
  namespace: 'bus',
  child: () => silent,
  debug() {},
  error() {},
  info() {},
  trace() {},
  warn() {},
}

/** Runs a command line by oclif. `home` is the folder of the running code: `dist`, or `src` when it is not built. */
export async function runOclif(argv: readonly string[], root: string, home: string): Promise<void> {
  // NODE_ENV=test or development would have oclif look for a TypeScript runtime.
  settings.enableAutoTranspile = false
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exitCode = report(cannotWrite(error), false)
  })
  const fromHome = (path: string) => path.replace('dist', home)
  const {commands, hooks} = pkg.oclif
  const places = {commands: fromHome(commands), hooks: {command_not_found: fromHome(hooks.command_not_found)}}
  const pjson = {...pkg, oclif: {...pkg.oclif, ...places}} as unknown as PJSON
  await run([...argv], {root, pjson, logger: silent, ignoreManifest: home !== 'dist'})
}
