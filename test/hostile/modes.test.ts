import {mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, describe, expect, test} from 'vitest'
import {root, startLine} from '../bus.ts'

let home = mkdtempSync(join(tmpdir(), 'bus-modes-'))
afterEach(() => {
  rmSync(home, {recursive: true, force: true})
  home = mkdtempSync(join(tmpdir(), 'bus-modes-'))
})

/** As a user whose files are accessible to everybody unless a program restricts them. */
async function careless(line: string) {
  await using running = startLine(`umask 000; ${line}`, {cwd: home, env: {HOME: home}})
  return await running.ended
}

/** Everything that others can read or write below the home folder, with its mode. */
function openToOthers(folder = home): string[] {
  return readdirSync(folder, {withFileTypes: true, recursive: true}).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name)
    const mode = statSync(path).mode & 0o777
    return (mode & 0o077) === 0 ? [] : [`${path.slice(home.length + 1)} ${mode.toString(8)}`]
  })
}

describe.runIf(process.platform !== 'win32')('under umask 000', () => {
  test.each<[string, string]>([
    [
      'a bus file, its wal, its shm, its bells',
      'bus pub a x -b ./x.db & bus sub a -b ./x.db -n 1 --for 1s --quiet; wait',
    ],
    ['the bus file that nobody named', 'bus pub a x; bus sub a --for 300ms --quiet'],
    [
      'a service, streams and consumers',
      'bus stream add S "s.>" -b ./x.db; bus pub s.1 x --ack -b ./x.db; bus consumer add S c -b ./x.db; bus consumer next S c -b ./x.db',
    ],
    ['a libbus file', 'bus pub a x -b "libbus:./l.db?create"'],
    [
      'a recording',
      'bus stream add S "s.>" -b ./x.db; bus pub s.1 secret --ack -b ./x.db; bus sub "s.>" --from first -n 1 --record ./recording.ndjson -b ./x.db',
    ],
    [
      'contexts and the one that is used',
      'bus context add c --bus nats://a --user u --password hunter2; bus context use c',
    ],
    [
      'a replay and its consumer',
      'bus stream add S "s.>" -b ./x.db; bus pub s.1 x --ack -b ./x.db; bus consumer replay S --to ./y.db --create -b ./x.db',
    ],
    ['subscriptions to events', 'bus stream add S "s.>" -b ./x.db; bus events add S app -b ./x.db'],
    [
      'reports of checks',
      `bus check ${join(root, 'examples/checks/orders.yaml')} -b ./x.db --report junit=./reports/deep/j.xml --report json=./reports/r.json`,
    ],
    [
      'recordings of a failed check',
      `bus check ${join(root, 'examples/checks/orders.yaml')} -b ./x.db --record ./recorded/deep`,
    ],
    ['a measurement', 'bus bench pub a --for 300ms -b ./x.db --json > /dev/null'],
  ])('no other user can open %s', async (_, line) => {
    const {stderr} = await careless(line)
    expect(stderr).not.toMatch(/Nonexistent flag|is not a flag|no command|\n {4}at /)
    expect(openToOthers()).toEqual([])
    expect(readdirSync(home).length).toBeGreaterThan(0)
  })

  test('a check file from check init is not open to others', async () => {
    await careless(
      'bus stream add S "s.>" -b ./x.db; bus pub s.1 secret --ack -b ./x.db; bus check init ./c.yaml -b ./x.db',
    )
    expect(openToOthers()).toEqual([])
  })

  test('no symbolic link is written through', async () => {
    const victim = join(home, 'victim')
    writeFileSync(victim, 'precious', {mode: 0o600})
    symlinkSync(victim, join(home, 'x.db.bells'))
    const bells = await careless('bus sub a --for 200ms -b ./x.db; bus pub a x -b ./x.db')
    expect(statSync(victim).size).toBe(8)
    expect(bells.stderr).not.toContain('    at ')
  })
})
