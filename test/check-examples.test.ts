/** The example checks pass against the example services, and each of them fails when it is mutated. */
import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {delimiter, join} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {parseDocument} from 'yaml'
import {bin, bus, root, startLine} from './bus.ts'
import {NatsServer} from './nats-server.ts'

const folder = join(root, 'examples', 'checks')
const examples = readdirSync(folder).filter((name) => name.endsWith('.yaml'))

/** Each makes one check of a file fail. */
const mutations: readonly {file: string; from: string; to: string; check: string; says: RegExp}[] = [
  {file: 'orders.yaml', from: 'json.total > 0', to: 'json.total > 100', check: 'can be read', says: /is 42\.5/},
  {file: 'orders.yaml', from: 'count: 2}', to: 'count: 3}', check: 'can be read', says: /"count":3/},
  {
    file: 'orders.yaml',
    from: "id: '{order}'}}\n    expect: json",
    to: 'id: 8}}\n    expect: json',
    check: 'same',
    says: /is 8/,
  },
  {file: 'orders.yaml', from: 'status = "error"', to: 'status = "ok"', check: 'cancelled', says: /status is "error"/},
  {file: 'instances.yaml', from: 'messages) = 2', to: 'messages) = 3', check: 'two instances', says: /is 2/},
  {file: 'events.yaml', from: 'exactly: 1', to: 'exactly: 2', check: 'announced', says: /expected exactly 2 messages/},
  {file: 'events.yaml', from: 'json.accepted', to: 'json.refused', check: 'announced', says: /in "place it"/},
  {file: 'events.yaml', from: 'orders.get', to: 'orders.place', check: 'nothing', says: /expected no message/},
  {file: 'stored.yaml', from: 'stream = "SHOP"', to: 'stream = "STOP"', check: 'is stored', says: /is "SHOP"/},
  {
    file: 'stored.yaml',
    from: 'duplicate = true',
    to: 'duplicate = false',
    check: 'duplicate',
    says: /duplicate is true/,
  },
  {file: 'stream.yaml', from: "['events.>']", to: "['orders.>']", check: 'stores all', says: /stores events\.>/},
  {file: 'stream.yaml', from: 'at-most: 100000', to: 'at-most: 0', check: 'stores all', says: /more than 0/},
  {file: 'stream.yaml', from: 'fresh: 1m', to: 'fresh: 0s', check: 'stores all', says: /more than 0s/},
  {file: 'consumer.yaml', from: 'name: billing,', to: 'name: ship,', check: 'billing handles', says: /ship/},
  {file: 'consumer.yaml', from: 'ackPending = 0', to: 'lag = 7', check: 'billing handles', says: /lag is 0/},
  {
    file: 'config.yaml',
    from: 'key: currency',
    to: 'key: coinage',
    check: 'currency',
    says: /no value for the key coinage/,
  },
  {file: 'config.yaml', from: '"EUR"', to: '"YEN"', check: 'currency', says: /text is "EUR"/},
  {file: 'config.yaml', from: 'key: closed', to: 'key: currency', check: 'open', says: /has a value/},
  {file: 'interest.yaml', from: 'orders.get', to: 'orders.got', check: 'orders are', says: /orders\.got/},
  {file: 'interest.yaml', from: 'health.ping', to: 'health.pong', check: 'health is', says: /health\.pong/},
  {file: 'interest.yaml', from: 'orders.legacy', to: 'orders.get', check: 'legacy', says: /status is "ok"/},
  {file: 'latency.yaml', from: 'p99: 1s', to: 'p99: 1us', check: '99 of 100', says: /p99 is .* ms, more than 1us/},
  {file: 'latency.yaml', from: 'orders.get', to: 'orders.got', check: '99 of 100', says: /orders\.got/},
  {file: 'progress.yaml', from: 'frames) = 5', to: 'frames) = 6', check: 'five frames', says: /is 5/},
  {file: 'progress.yaml', from: 'code = 1000', to: 'code = 1001', check: 'five frames', says: /is 1000/},
  {file: 'rpc.yaml', from: 'reserved: 3', to: 'reserved: 4', check: 'reserved', says: /"reserved":4/},
  {file: 'rpc.yaml', from: 'method: reserve', to: 'method: rob', check: 'reserved', says: /rob/},
  {
    file: 'broker.yaml',
    from: "{job: '{job}'}",
    to: '{job: other}',
    check: 'arrives at',
    says: /json\.job|no message for check/,
  },
]

interface Checked {
  readonly name: string
  readonly status: string
  readonly failures: readonly {readonly sentence: string}[]
}

interface Report {
  readonly files: readonly {readonly file: string; readonly checks: readonly Checked[]}[]
}

/** Starts the example services, and resolves when all of them listen. */
async function startShop(url: string, home: string): Promise<ChildProcess> {
  const path = join(home, 'bin')
  mkdirSync(path, {recursive: true})
  const program = /\.[cm]?[jt]s$/.test(bin) ? `"${process.execPath}" "${bin}"` : `"${bin}"`
  writeFileSync(join(path, 'bus'), `#!/bin/sh\nexec ${program} "$@"\n`, {mode: 0o755})
  const env = {PATH: `${path}${delimiter}${process.env['PATH']}`, HOME: home, BUS_URL: url}
  const shop = spawn('sh', [join(folder, 'services.sh')], {env, detached: true, stdio: ['ignore', 'ignore', 'pipe']})
  const services = readFileSync(join(folder, 'services.sh'), 'utf8').match(/^bus (serve|rpc|sub) /gm)?.length ?? 0
  let log = ''
  await new Promise<void>((resolve, reject) => {
    shop.stderr?.setEncoding('utf8').on('data', (text) => {
      log += text
      if ((log.match(/^listening on /gm)?.length ?? 0) >= services) resolve()
    })
    shop.once('exit', () => reject(new Error(`the services have ended:\n${log}`)))
  })
  return shop
}

describe.each(['a bus file', 'a server'])('on %s', (kind) => {
  const home = mkdtempSync(join(tmpdir(), 'bus-shop-'))
  let server: NatsServer | undefined
  let shop: ChildProcess | undefined
  let url = join(home, 'shop.db')

  beforeAll(async () => {
    if (kind === 'a server') {
      server = await NatsServer.start((store) => `jetstream {store_dir: "${store}"}`)
      url = server.url()
    }
    shop = await startShop(url, home)
  }, 60_000)

  afterAll(async () => {
    if (shop?.pid !== undefined && shop.exitCode === null) {
      const ended = once(shop, 'exit')
      process.kill(-shop.pid, 'SIGTERM')
      await ended
    }
    await server?.[Symbol.asyncDispose]()
    rmSync(home, {recursive: true, force: true, maxRetries: 5, retryDelay: 200})
  }, 30_000)

  it('every example check passes', async () => {
    const {code, stdout} = await bus(['check', folder, '--jobs', '4', '-b', url])
    expect(stdout.split('\n').filter((line) => !line.startsWith('passed '))).toEqual([
      expect.stringMatching(/^\d+ passed · /),
      '',
    ])
    expect(code).toBe(0)
  }, 30_000)

  it.each(['github', 'gitlab'])(
    'the command lines of the CI workflow for %s work',
    async (name) => {
      const cwd = mkdtempSync(join(home, 'job-'))
      symlinkSync(join(root, 'examples'), join(cwd, 'examples'))
      const workflow = readFileSync(join(root, 'examples', 'ci', `${name}.yaml`), 'utf8')
      expect(parseDocument(workflow).errors).toEqual([])
      const lines = [...workflow.matchAll(/^ *(?:- )?(?:run: )?(bus check .*)$/gm)].map(([, line = '']) => line)
      expect(lines).toHaveLength(2)
      for (const line of lines) {
        await using running = startLine(line, {cwd, env: {BUS_URL: url, GITHUB_WORKSPACE: cwd}})
        const {code, stdout} = await running.ended
        expect(stdout).toMatch(/^\d+ passed · /m)
        expect(code).toBe(0)
      }
      expect(readFileSync(join(cwd, 'report', 'checks.xml'), 'utf8')).toMatch(/<testsuites .*failures="0"/)
    },
    40_000,
  )

  it('every example check fails when it is mutated', async () => {
    const mutants = mkdtempSync(join(home, 'mutants-'))
    for (const [at, {file, from, to}] of mutations.entries()) {
      const text = readFileSync(join(folder, file), 'utf8')
      expect(text, file).toContain(from)
      writeFileSync(join(mutants, `${at}.yaml`), text.replace(from, to))
    }
    const {code, stdout} = await bus(['check', mutants, '--jobs', '8', '--json', '-b', url])
    expect(code).toBe(9)
    const {files} = JSON.parse(stdout) as Report
    const survivors = mutations.filter(({check, says}, at) => {
      const checks = files.find(({file}) => file === join(mutants, `${at}.yaml`))?.checks ?? []
      const mutated = checks.find(({name}) => name.includes(check))
      return !(mutated?.status === 'failed' && mutated.failures.some(({sentence}) => says.test(sentence)))
    })
    expect(survivors).toEqual([])
  }, 60_000)
})

it('every example check has a mutation', () => {
  expect(new Set(mutations.map(({file}) => file))).toEqual(new Set(examples))
})

it('docs/checks.md shows every example check unchanged', () => {
  const document = readFileSync(join(root, 'docs', 'checks.md'), 'utf8')
  const shown = [...document.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block]) => block)
  const whole = examples.map((name) => readFileSync(join(folder, name), 'utf8').replace(/^# .*\n/, ''))
  expect(shown.toSorted()).toEqual(whole.toSorted())
})
