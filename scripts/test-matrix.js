// Runs the tests on a NATS server with the oldest and the newest available server, except the one that `npm test` uses.
import {execFileSync, spawnSync} from 'node:child_process'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const tests = [
  'test/conformance/nats',
  'test/lib/transport/nats',
  'test/commands/context/context',
  'test/commands/login',
  'test/commands/serve/service',
  'test/commands/consumer/consumer',
  'test/commands/pub/ack',
  'test/commands/consumer/replay',
  'test/commands/rpc',
  'test/commands/stream',
  'test/commands/sub/from',
  'test/readme',
  'test/side-by-side',
  ...process.argv.slice(2),
]

try {
  const servers = new Set(['--oldest', '--newest'].map((which) => find(which)))
  servers.delete(find())
  process.exitCode = [...servers].map(run).some((status) => status !== 0) ? 1 : 0
} catch (error) {
  process.stderr.write(`${error.stderr?.trim() || error.message}\n`)
  process.exitCode = 1
}

function find(...which) {
  const script = join(root, 'scripts', 'nats-server.js')
  return execFileSync(process.execPath, [script, ...which], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim()
}

function run(server) {
  process.stdout.write(`\n${execFileSync(server, ['--version'], {encoding: 'utf8'})}`)
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const options = {cwd: root, stdio: 'inherit', env: {...process.env, NATS_SERVER: server, BUS_TESTS: 'all'}}
  return spawnSync(process.execPath, [vitest, 'run', ...tests], options).status
}
