/**
 * Every example of `--help` is run: those listed here as help shows them at 80 columns, with only the addresses of servers replaced;
 * those of the other commands by `side-by-side.test.ts`, on both buses.
 */
import {chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import {type AddressInfo, createServer as createTcpServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {bus, root, startLine} from './bus.ts'
import {hasTestsOfItsOwn} from './examples.ts'
import {NatsServer} from './nats-server.ts'

interface Setup {
  /** Command lines that run before it. */
  readonly before?: readonly string[]
  /** Command lines that run beside it; each is live once it has written a line that begins so. */
  readonly beside?: readonly (readonly [line: string, live: string])[]
  /** It runs until Ctrl-C, after it has written a line that begins so. */
  readonly until?: string
  /** By default 0. */
  readonly code?: number
  /** What it writes. */
  readonly sees?: string | RegExp
}

const server = 'nats://127.0.0.1:4222'
const orders = [`bus stream add ORDERS 'orders.>'`, `bus pub orders.new '{"id":{n}}' --template -n 4 --ack`]
const billing = [...orders, 'bus consumer add ORDERS billing']
const failed = [...billing, 'bus consumer replay ORDERS billing -n 1 --on-error term --exec -- false || true']
const subscribed = [...orders, 'bus events add ORDERS billing --first-event oldest']
const prod = [`bus context add prod --bus ${server}`]
const gateway = [['bus events serve', 'listening on ']] as const
const checked = /^1 passed/m

/** By command line. */
const setups: Readonly<Record<string, Setup>> = {
  'bus check': {sees: checked},
  'bus check checks/ --tag smoke --context staging': {
    before: ['bus context add staging --bus ./bus.db'],
    sees: checked,
  },
  [`bus check orders.yaml --only 'an order' --watch`]: {code: 2, sees: '--watch needs a terminal'},
  'bus check --var region=eu --jobs 8 --bail': {sees: checked},
  'bus check --report junit=checks.xml --report github --record failed/': {sees: ''},
  'bus check --schema > check.schema.json': {},
  'bus check init': {sees: 'wrote 1 check to checks/bus.yaml', before: ['rm checks/*']},
  [`bus check init checks/orders.yaml --request orders.health -b ${server}`]: {
    beside: [[`bus serve orders.health ok -b ${server}`, 'listening on ']],
    before: ['rm checks/*'],
    sees: 'wrote 2 checks',
  },

  'bus consumer failed --record': {sees: 'nothing to do: a bus file has a list of failed messages for each consumer'},
  'bus consumer failed ORDERS billing --record': {before: failed, sees: /#1 +orders\.new +1 +false exited with 1/},
  'bus consumer failed ORDERS billing': {
    before: failed,
    sees: /#1 +orders\.new +1 +false exited with 1 +yes +\S+ \(.*\)/,
  },
  'bus consumer failed ORDERS billing --retry --exec -- ./bill.sh': {
    before: failed,
    sees: /billed [\s\S]*1 handled/,
  },
  'bus consumer failed ORDERS billing --dead failed.ndjson': {before: failed, sees: '1 written\n'},

  'bus consumer replay ORDERS billing --peek': {before: billing, sees: '4 read'},
  'bus consumer replay ORDERS billing --exec -- ./bill.sh': {before: billing, sees: 'billed {"id":4}\n'},
  'bus consumer replay ORDERS --from @-15m --speed 10 --webhook http://127.0.0.1:8080/orders': {
    before: orders,
    sees: '4 handled',
  },
  'bus consumer replay ORDERS billing --reset @-1h': {before: billing, sees: '4 handled'},
  [`bus consumer replay ORDERS --into ${server} --create`]: {before: orders, sees: '4 handled'},
  'bus consumer replay ORDERS --into copy.db --create --verify': {before: orders, sees: 'verified: 4 messages\n'},

  'bus context add': {code: 2, sees: 'the name of the context is missing'},
  'bus context add prod --bus nats://nats.example.com --creds ~/prod.creds': {sees: 'bus context check prod'},
  'bus context add ci --bus nats://ci:4222 --user ci --password env://CI_PASSWORD': {sees: 'bus context check ci'},
  'bus context add here --bus ./bus.db --use': {sees: 'now using context here'},
  'bus context check prod': {before: prod, sees: 'nats-server'},
  'bus context check': {sees: 'SQLite'},
  [`bus context check --bus ${server} --creds my.creds`]: {sees: 'nats-server'},
  'bus context ls': {before: prod, sees: 'prod'},
  [`bus context ls --json | jq -r '.[].name'`]: {before: prod, sees: 'prod\n'},
  'bus context rm old --yes': {before: [`bus context add old --bus ${server}`]},
  'bus context show': {before: [...prod, 'bus context use prod'], sees: 'prod'},
  'bus context use prod': {before: prod, sees: 'now using context prod'},
  'bus context use --none': {before: [...prod, 'bus context use prod'], sees: 'no context selected'},

  'bus doctor': {sees: /^ok /m},
  'bus doctor --bus tls://nats.example.com --creds my.creds': {code: 3, sees: 'cannot connect'},
  'bus doctor --bus ./bus.db --fix': {before: ['bus pub a x -b ./bus.db', 'chmod 644 bus.db'], sees: 'chmod 600'},
  [`bus doctor --json | jq -r '.findings[] | select(.verdict != "ok") | .text'`]: {sees: ''},

  'bus events add ORDERS billing': {before: orders, sees: 'billing'},
  [`bus events add ORDERS audit --first-event oldest --topic 'paid$' --read-ahead 49`]: {before: orders, sees: 'audit'},
  [`bus events add ORDERS mail --webhook http://127.0.0.1:8080/events --max-rejects 5 --dead-letter 'dead.{subject}'`]:
    {
      before: orders,
      sees: 'mail',
    },
  'bus events info ORDERS billing': {before: subscribed, sees: 'billing'},
  'bus events info ORDERS billing --json | jq .status.currentOffset': {before: subscribed, sees: /^\d+\n/},
  'bus events ls': {before: subscribed, sees: 'billing'},
  'bus events ls ORDERS --json': {before: subscribed, sees: '"name":"billing"'},
  'bus events rm ORDERS billing --yes': {before: subscribed, sees: 'billing'},
  'bus events listen --namespace ORDERS --name billing': {before: subscribed, beside: gateway, until: '#4 '},
  [`bus events listen --namespace ORDERS --first-event oldest --topic 'paid$'`]: {
    before: [...orders, 'bus pub orders.paid x --ack'],
    beside: gateway,
    until: '#5 ',
  },
  'bus events listen --namespace ORDERS --name billing --step': {code: 2, sees: '--step needs a terminal'},
  'bus events serve --ws 127.0.0.1:5599': {until: 'listening on '},
  'bus events serve --ws 0.0.0.0:5599 --token s3cret --webhooks': {until: 'listening on '},
  'bus events serve --exec -- ./bill.sh': {
    before: [...orders, 'bus events add ORDERS bill --first-event oldest --transport exec'],
    until: 'billed {"id":4}',
  },
}

/** Joins lines as a shell does. */
const joined = (text: string) => text.replace(/ \\\n +/g, ' ')

/** The examples that the commands of this file show in their help. */
async function shownExamples(): Promise<Map<string, string>> {
  const {commands} = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8'))
  const ids = Object.keys(commands).filter((id) => hasTestsOfItsOwn.test(id))
  const helps = await Promise.all(ids.map((id) => bus([...id.split(':'), '--help'])))
  const texts = helps.flatMap(({stdout}) => {
    const [, section = ''] = /^EXAMPLES\n([\s\S]*?)(?=^\S|$(?![\s\S]))/m.exec(stdout) ?? []
    return [...section.matchAll(/^ {4}\S.*(?:\n {4}.*)*/gm)].map(([text]) => text.replace(/^ {4}/gm, ''))
  })
  return new Map(texts.map((text) => [joined(text), text]))
}

describe('an example in help, as it is shown, runs', async () => {
  const shown = await shownExamples()
  const folder = mkdtempSync(join(tmpdir(), 'bus-help-'))
  const web = createServer((request, response) => request.resume().on('end', () => response.end()))
  let nats: NatsServer
  const isFree = await portIsFree(5599)

  beforeAll(async () => {
    nats = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  })
  afterAll(async () => {
    web.close()
    await nats[Symbol.asyncDispose]()
    rmSync(folder, {recursive: true, force: true})
  })

  test('all of them are listed here, and no others', () => {
    expect([...shown.keys()].sort()).toEqual(Object.keys(setups).sort())
  })

  /** With the addresses of this test. */
  function here(line: string): string {
    return line
      .replaceAll(server, nats.url())
      .replaceAll('tls://nats.example.com', 'tls://127.0.0.1:1')
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${(web.address() as AddressInfo).port}`)
      .replaceAll(/(--ws [\d.]+):5599/g, '$1:0')
  }

  test.each(Object.entries(setups))('%s', async (line, {before = [], beside = [], until, code = 0, sees}) => {
    // The default address of a gateway.
    if (beside === gateway && !isFree) return
    const home = mkdtempSync(join(folder, 'home-'))
    fill(home)
    const options = {cwd: home, env: {HOME: home, CI_PASSWORD: 'p', XDG_STATE_HOME: '', XDG_CONFIG_HOME: ''}}
    for (const each of before) expect(await startLine(here(each), options).ended, each).toMatchObject({code: 0})
    await using running = new AsyncDisposableStack()
    for (const [each, live] of beside) await running.use(startLine(here(each), options)).stderrLine(live)
    const example = running.use(startLine(here(shown.get(line) ?? line), options))
    if (until !== undefined) {
      await Promise.any([example.stdoutLine(until), example.stderrLine(until)])
      example.interrupt()
    }
    const ended = await example.ended
    expect([ended.code, ended.stdout + ended.stderr]).toEqual([code, expect.stringMatching(asPattern(sees))])
  })
})

/** The files that the examples name. */
function fill(home: string): void {
  mkdirSync(join(home, 'checks'))
  const check = `name: orders\ntags: [smoke]\nchecks:\n  - name: an order\n    pub: {subject: orders.new, body: x}\n`
  for (const path of ['orders.yaml', 'checks/orders.yaml']) writeFileSync(join(home, path), check)
  for (const name of ['prod.creds', 'my.creds']) {
    writeFileSync(join(home, name), '-----BEGIN NATS USER JWT-----\na.b.c\n------END NATS USER JWT------\n', {
      mode: 0o600,
    })
  }
  writeFileSync(join(home, 'bill.sh'), '#!/bin/sh\nread -r order; echo "billed $order"\n')
  chmodSync(join(home, 'bill.sh'), 0o755)
}

function asPattern(sees: string | RegExp = ''): RegExp {
  return typeof sees === 'string' ? new RegExp(sees.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : sees
}

async function portIsFree(port: number): Promise<boolean> {
  const probe = createTcpServer()
  const isFree = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => resolve(true))
  })
  await new Promise((resolve) => probe.close(resolve))
  return isFree
}
