/** Passwords with odd characters, in every command that shows a URL. Nothing of them may appear, in any form. */
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {inspect} from 'node:util'
import {afterAll, describe, expect, test} from 'vitest'
import {diagnose} from '../../src/commands/doctor/examination.ts'
import {wishOf} from '../../src/commands/events/subscriptions.ts'
import {errorJson} from '../../src/lib/cli/base/error-report.ts'
import {findBus} from '../../src/lib/cli/target/bus.ts'
import {busUrl} from '../../src/lib/cli/target/context.ts'
import type {FoundBus} from '../../src/lib/cli/target/urls.ts'
import {open} from '../../src/lib/transport/open.ts'
import {bus} from '../bus.ts'
import {NatsServer} from '../nats-server.ts'
import {oddPasswords} from '../odd-passwords.ts'

const home = mkdtempSync(join(tmpdir(), 'bus-odd-'))
const server = await NatsServer.start('authorization { user: usr, password: "unknown" }')
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(home, {recursive: true})
})

/** A word of every password, also within its encoded forms; `tail` alone would be found in ordinary words. */
const all = Object.entries(oddPasswords).map(([name, text]) => [name, text.replace('tail', 'Zq7')] as const)

function expectNoSecret(...texts: readonly string[]): void {
  for (const text of texts) {
    expect(text).not.toMatch(/Zq7/i)
    expect(text).not.toContain('Sup3r')
  }
}

/** URLs with the password, as people type them. */
function urlsWith(password: string): string[] {
  const {port} = new URL(server.url())
  const forms = [password, encodeURIComponent(password), encodeURI(password)]
  return [...new Set(forms)].flatMap((written) => [
    ...[`nats://usr:${written}@127.0.0.1:${port}`, `usr:${written}@127.0.0.1:1`, `nats:/usr:${written}@h`],
    ...[`nats//usr:${written}@h`, `nats:usr:${written}@h`, `nats://usr:${written}@`],
    // With a colon in it, it would be a user and a password.
    ...(written.includes(':') ? [] : [`nats://${written}@127.0.0.1:1`]),
    // With an `@` or a comma in it, the end of the password would be a host.
    ...(/[@,]/.test(written) ? [] : [`nats://usr:${written}`]),
    ...[`nats://usr:${written}@127.0.0.1:1,usr:${written}@127.0.0.1:2`, `natss://usr:${written}@h:1`],
    ...[`nats://usr:${written}@127.0.0.1:port`, `ws://127.0.0.1:1/?t=${written}`],
    ...[`ws://usr:${written}@127.0.0.1:1`, `tls://127.0.0.1:1,tls://usr:${written}@127.0.0.1:2`],
  ])
}

/** Everything that a failure could show, its causes included. */
function textsOf(error: unknown): string[] {
  return [
    inspect(error, {depth: 9, showHidden: true}),
    JSON.stringify(errorJson(error)),
    String((error as Error).stack),
  ]
}

describe.each(all)('a password that has %s', (_, password) => {
  test('appears in no error, and no fact about the bus', async () => {
    for (const url of urlsWith(password)) {
      const options = {maxReconnects: 0, connectTimeoutMs: 500}
      const failure = await open(url, options).then(
        async (opened) => {
          await opened.close()
          return new Error(opened.url)
        },
        (error: unknown) => error,
      )
      expectNoSecret(...textsOf(failure))
      for (const step of [() => busUrl(url), () => findBus({bus: url, creds: '/x', user: 'a'}, process.env)]) {
        const outcome = await Promise.resolve()
          .then<unknown>(step)
          .then((found) => (typeof found === 'string' ? undefined : (found as FoundBus).warnings))
          .catch((error: unknown) => error)
        expectNoSecret(...(outcome instanceof Error ? textsOf(outcome) : [JSON.stringify(outcome ?? '')]))
      }
    }
  })

  test('appears in no finding of doctor', async () => {
    for (const url of urlsWith(password)
      .filter((one) => /^(nats|ws|tls):\/\/.*@/.test(one))
      .slice(0, 3)) {
      const lines: string[] = []
      const outcome = await diagnose({
        ...{url, why: '--bus', version: '0', env: {HOME: home}, fix: false},
        open: () => open(url, {maxReconnects: 0, connectTimeoutMs: 500}),
        report: (finding) => lines.push(JSON.stringify(finding)),
        repaired: () => {},
      }).catch((error: unknown) => error)
      expectNoSecret(...lines, ...textsOf(outcome))
    }
  })

  test('appears in no error about a webhook', async () => {
    for (const url of [
      `usr:${password}@h/x`,
      `http:/usr:${password}@h`,
      `ftp://usr:${password}@h`,
      `http://h:port/${password}@`,
    ]) {
      const failure = await wishOf('S', 'a', {webhook: url} as never).catch((error: unknown) => error)
      expectNoSecret(...textsOf(failure instanceof Error ? failure : ''))
    }
  })
})

/** Passwords that a file or an argument may contain. */
const typed = all.filter(([, password]) => password.length < 1000)

describe('the listings', () => {
  test('of contexts show none of them', {timeout: 180_000}, async () => {
    const folder = join(home, '.config/busline/contexts')
    mkdirSync(folder, {recursive: true, mode: 0o700})
    for (const [i, [, password]] of typed.entries()) {
      for (const [j, url] of urlsWith(password).entries())
        writeFileSync(join(folder, `c${i}-${j}.json`), JSON.stringify({url, description: 'x'}), {mode: 0o600})
    }
    const env = {HOME: home}
    for (const args of [['ls'], ['ls', '--json'], ['ls', '--all']]) {
      const {stdout, stderr} = await bus(['context', ...args], {env})
      expect(stdout).toContain('c0-0')
      expectNoSecret(stdout, stderr)
    }
    for (const name of ['c0-0', 'c1-0', 'c9-7', 'c12-0', 'c20-7']) {
      for (const args of [
        ['show', name],
        ['show', name, '--json'],
        ['check', name],
        ['check', name, '--json'],
      ]) {
        const {stdout, stderr} = await bus(['context', ...args, '--connect-timeout', '1s'], {env})
        expectNoSecret(stdout, stderr)
      }
    }
  })

  test('of subscriptions show none of them', {timeout: 180_000}, async () => {
    const file = join(home, 'events.db')
    const {openRegistry} = await import('../../src/lib/protocols/event-delivery/registry.ts')
    {
      await using opened = await open(`sqlite:${file}`)
      await opened.streams.add({name: 'S', subjects: ['s.>']})
      const registry = await openRegistry(opened.streams)
      for (const [i, [, password]] of typed.entries()) {
        for (const [j, url] of [
          `http://usr:${password}@127.0.0.1:9/in?token=${password}`,
          `http://usr:${encodeURIComponent(password)}@127.0.0.1:9/in?token=${encodeURIComponent(password)}`,
          `http://127.0.0.1:9/in?${encodeURIComponent(password)}#${encodeURIComponent(password)}`,
        ].entries()) {
          if (URL.canParse(url)) await registry.add(await wishOf('S', `w${i}-${j}`, {webhook: url} as never))
        }
      }
    }
    const run = async (...args: string[]) => bus(['events', ...args, '--bus', file], {env: {HOME: home}})
    for (const args of [
      ['ls'],
      ['ls', '--json'],
      ['ls', '--all'],
      ['info', 'S', 'w0-0'],
      ['info', 'S', 'w1-1', '--json'],
    ]) {
      const {code, stdout, stderr} = await run(...args)
      expect([code, stderr]).toEqual([0, ''])
      expectNoSecret(stdout)
    }
    const added = await run('add', 'S', 'hook', '--webhook', 'http://u:Sup3r@127.0.0.1:9/?token=Zq7', '--json')
    expect(added.code).toBe(0)
    expect(JSON.parse(added.stdout).options.url).toBe('http://u:***@127.0.0.1:9/?token=***')
    expectNoSecret(added.stdout, added.stderr)
  })
})

/** Each exercises another place that shows a URL; the password goes into `URL`. */
const commands: readonly (readonly string[])[] = [
  ['pub', 'a', 'x', '--bus', 'URL'],
  ['pub', 'a', 'x', '-b', 'URL', '--json'],
  ['sub', 'a', '--for', '1s', '--bus=URL'],
  ['req', 'a', 'x', '-bURL', '-t', '1s'],
  ['stream', 'ls', '--server', 'URL'],
  ['doctor', '--bus', 'URL', '--json'],
  ['consumer', 'ls', 'S', '--bus', 'URL'],
  ['bench', 'pub', 'a', '-n', '1', '--bus', 'URL'],
  ['rpc', 'ls', '--bus', 'URL'],
  ['context', 'add', 'made', '--bus', 'URL', '--json', '--yes'],
  ['context', 'check', '--bus', 'URL'],
  ['tour', '--bus', 'URL'],
  ['pub', 'a', 'x', 'URL'],
  ['pub', 'a', 'x', '--buss', 'URL'],
  ['URL'],
  ['events', 'listen', 'URL', '--namespace', 'S'],
  ['events', 'add', 'S', 'z', '--webhook', 'URL', '--json'],
  ['consumer', 'replay', 'S', '--webhook', 'URL'],
  ['consumer', 'replay', 'S', '--into', 'URL'],
  ['check', 'init', 'c.yaml', '--bus', 'URL'],
  ['pub', 'a', 'x'],
]
const worst = ['a space', 'a comma', 'a slash after digits', 'an at sign and a comma', 'a newline']

describe.each(typed.filter(([name]) => worst.includes(name)))('a password that has %s', (_, password) => {
  test.each(commands)('is not shown by bus %s %s %s %s %s', {timeout: 120_000}, async (...command) => {
    const cwd = mkdtempSync(join(home, 'work-'))
    for (const url of [`nats://usr:${password}@127.0.0.1:1`, `usr:${password}@h:1`]) {
      const args = command.filter((word) => word !== undefined).map((word) => word.replace('URL', () => url))
      const env = {HOME: home, ...(args.length < 4 && {BUS_URL: url, NATS_URL: url})}
      const {code, stdout, stderr} = await bus(
        [...args, '--connect-timeout', '1s'].slice(0, command[0] === 'URL' ? 1 : undefined),
        {cwd, env},
      )
      expectNoSecret(stdout, stderr)
      expect(code).not.toBe(1)
    }
  })
})
