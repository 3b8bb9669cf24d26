import {spawn, spawnSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {stripVTControlCharacters} from 'node:util'
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test} from 'vitest'
import {onBothBuses, type StoredScene} from '../../both-buses.ts'
import {bin, bus, type Ended, type Running, start} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'check-'))
afterAll(() => rmSync(folder, {recursive: true}))

let made = 0
/** A new check file with this text; JSON is YAML. */
function fileOf(content: string | object): string {
  const path = join(folder, `${++made}.yaml`)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

interface Report {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly errors: number
  readonly ms: number
  readonly files: {checks: Result[]}[]
}

interface Result {
  readonly name: string
  readonly status: string
  readonly attempts: number
  readonly reason?: string
  readonly part: string
  readonly failures: {sentence: string; line: number; message?: unknown; seen?: unknown; expected?: unknown}[]
}

function reportOf({stdout, stderr}: Ended): Report {
  expect(stdout, stderr).toMatch(/^\{/)
  return JSON.parse(stdout)
}

const resultsOf = (report: Report) => report.files.flatMap(({checks}) => checks)

const services: Readonly<Record<string, readonly string[]>> = {
  echo: ['serve', 'echo', '--echo'],
  broken: ['serve', 'broken', 'never', '--fail', '100%'],
  slow: ['serve', 'slow', 'late', '--delay', '20s'],
  one: ['serve', 'both', '1', '--no-queue'],
  two: ['serve', 'both', '2', '--no-queue'],
  named: ['serve', 'named', '--echo', '--service', 'namer'],
  logs: ['serve', 'logs', 'line', '--stream', '--count', '3'],
  math: ['rpc', 'serve', 'math', 'add', '--expr', 'json.a + json.b', '--instance', 'one'],
}

/** Each kind of check: a passing case, a failing case, and the message of the failure. */
type Case = readonly [what: string, check: object, failure?: RegExp]

const cases: readonly Case[] = [
  [
    'req',
    {
      req: {subject: 'echo', json: {a: 1}, headers: {X: ['1', '2']}},
      expect: ['json.a = 1', 'status = "ok"', 'ms < 5000'],
    },
  ],
  ['req, exactly', {req: {subject: 'echo', json: {a: [1, {b: null}]}}, expect: {json: {a: [1, {b: null}]}, bytes: 20}}],
  ['req, text and base64', {req: {subject: 'echo', base64: 'aGk='}, expect: {text: 'hi'}}],
  [
    'req, wrong value',
    {req: {subject: 'echo', json: {a: 1}}, expect: 'json.a = 2'},
    /expected json\.a = 2, but json\.a is 1/,
  ],
  [
    'req, wrong exactly',
    {req: {subject: 'echo', json: {a: 1}}, expect: {json: {a: 2}}},
    /expected json to be \{"a":2\}, but it is \{"a":1\}/,
  ],
  ['req, nobody', {req: 'nobody'}, /nobody serves "nobody"/],
  ['req, nobody as expected', {req: 'nobody', expect: 'status = "no-responders"'}],
  ['req, late', {req: {subject: 'slow', within: '200ms'}}, /no reply on "slow" within 200 ms/],
  ['req, late as expected', {req: {subject: 'slow', within: '200ms'}, expect: {status: 'timeout'}}],
  ['req, service error', {req: 'broken'}, /"broken" answered with error 500: injected/],
  [
    'req, service error as expected',
    {req: 'broken', expect: ['status = "error"', 'error.code = 500', {'error.text': 'injected'}]},
  ],
  ['req, several', {req: {subject: 'both', replies: 2}, expect: '$sort(messages.json) = [1, 2]'}],
  ['req, fewer', {req: {subject: 'both', replies: 3, within: '1s'}}, /only 2 of 3 replies/],
  ['req, until idle', {req: {subject: 'both', 'until-idle': '300ms'}, expect: '$count(messages) = 2'}],
  ['rpc', {rpc: {service: 'math', method: 'add', instance: 'one', payload: {a: 1, b: 2}}, expect: {json: 3}}],
  ['rpc, by subject', {rpc: {subject: 'loom.rpc.math.one.add', payload: {a: 1, b: 2}}, expect: 'json = 3'}],
  ['rpc, wrong', {rpc: {subject: 'loom.rpc.math.one.add', payload: {a: 1, b: 1}}, expect: 'json = 3'}, /but json is 2/],
  ['rpc, error', {rpc: {subject: 'loom.rpc.math.one.add', payload: {a: 'x', b: 1}}}, /answered with an error/],
  [
    'rpc, error as expected',
    {rpc: {subject: 'loom.rpc.math.one.add', payload: {a: 'x', b: 1}}, expect: 'status = "error"'},
  ],
  ['rpc, nobody', {rpc: {service: 'math', method: 'add', instance: 'two'}}, /nobody serves/],
  ['open', {open: 'logs', expect: ['$count(frames) = 3', 'close.code = 1000', 'frames[0].text = "line"']}],
  ['open, some frames', {open: {subject: 'logs', frames: 2}, expect: '$count(frames) = 2'}],
  ['open, too few', {open: {subject: 'logs', frames: 4}}, /ended after 3 of 4 frames/],
  ['open, nobody', {open: {subject: 'nobody', within: '2s'}}, /nobody serves "nobody"/],
  [
    'open, not a stream',
    {open: {subject: 'slow', within: '300ms'}},
    /still open after 0 frames, and 300 ms have passed/,
  ],
  ['pub', {pub: {subject: 'x', json: {a: 1}}, expect: 'published = 1'}],
  ['pub, kept by nobody', {pub: {subject: 'nothing.keeps', ack: true}}, /no stream .*keeps/],
  ['publish', {publish: {topic: 'GAME.x', payload: {a: 1}}, expect: {published: true, topic: 'GAME.x', bytes: 7}}],
  ['subscribe', {subscribe: {topic: 'GAME.x', consumer_name: 'ci'}, expect: ['payload.a = 1', 'consumer = "ci"']}],
  [
    'subscribe, nothing more',
    {subscribe: {topic: 'GAME.x', consumer_name: 'ci', within: '300ms'}},
    /no message .*within 300 ms/,
  ],
  ['publish, wrong', {publish: {topic: 'GAME.x', payload: 'abc'}, expect: 'bytes = 4'}, /but bytes is 3/],
  [
    'pub, acknowledged',
    {pub: {subject: 'GAME.p', ack: true, 'msg-id': '{id}'}, expect: ['stream = "GAME"', 'seq > 0', '$not(duplicate)']},
  ],
  [
    'messages',
    {
      messages: {
        subject: 'm.>',
        exactly: 2,
        do: [{pub: {subject: 'm.{n}', json: {n: '{n}'}, count: 2}}],
        order: 'json.n',
      },
      expect: 'messages[1].json.n = 2',
    },
  ],
  [
    'messages, where',
    {
      messages: {
        subjects: ['m.a', 'm.b'],
        where: 'json.n > 1',
        'at-most': 1,
        within: '1s',
        do: [{pub: {subject: 'm.a', json: {n: '{n}'}, count: 2}}],
      },
      expect: 'count = 1',
    },
  ],
  [
    'messages, in order',
    {
      messages: {
        subject: 'm.*',
        order: ['subject = "m.a"', 'subject = "m.b"'],
        'at-least': 2,
        do: [{pub: 'm.a'}, {pub: 'm.b'}],
      },
    },
  ],
  [
    'messages, in another order',
    {
      messages: {
        subject: 'm.*',
        order: ['subject = "m.b"', 'subject = "m.a"'],
        'at-least': 2,
        do: [{pub: 'm.a'}, {pub: 'm.b'}],
      },
    },
    /no message for subject = "m\.a" arrived after the one for subject = "m\.b"/,
  ],
  [
    'messages, falling',
    {
      messages: {
        subject: 'm.*',
        order: 'json',
        'at-least': 2,
        do: [{pub: {subject: 'm.a', json: 2}}, {pub: {subject: 'm.a', json: 1}}],
      },
    },
    /json decreases at message 2: 1 after 2/,
  ],
  ['messages, none', {messages: {subject: 'm.>', none: true, within: '300ms', do: [{pub: 'other'}]}}],
  [
    'messages, one too many',
    {messages: {subject: 'm.>', none: true, within: '10s', do: [{pub: 'm.a'}]}},
    /expected no message on m\.>, but 1 arrived/,
  ],
  [
    'messages, exactly and one more',
    {messages: {subject: 'm.>', exactly: 1, do: [{pub: {subject: 'm.a', count: 2}}]}},
    /expected exactly 1 message on m\.>, but 2 arrived/,
  ],
  [
    'messages, lost',
    {messages: {subject: 'm.>', within: '300ms', do: [{pub: 'other'}]}},
    /expected at least 1 message on m\.> within 300 ms, but 0 arrived/,
  ],
  [
    'messages, filtered away',
    {messages: {subject: 'm.>', where: 'json.n = 5', within: '1s', do: [{pub: {subject: 'm.a', json: {n: 4}}}]}},
    /but 0 arrived; 1 more did not match "where"/,
  ],
  [
    'messages, a step fails',
    {messages: {subject: 'm.>', within: '20s', do: [{name: 'ask', req: 'nobody'}]}},
    /in "ask": nobody serves/,
  ],
  [
    'stream',
    {
      stream: {name: 'GAME', subjects: ['GAME.>'], fresh: '5m', 'at-least': 1},
      expect: ['state.messages > 0', 'config.storage = "file"', 'ageMs < 60000'],
    },
  ],
  ['stream, not there', {stream: 'NOPE'}, /NOPE/],
  ['stream, not there as expected', {stream: 'NOPE', expect: {status: 'not-found'}}],
  ['stream, other subjects', {stream: {name: 'GAME', subjects: ['a', 'b']}}, /GAME stores GAME\.>, not a b/],
  ['stream, stale', {stream: {name: 'GAME', fresh: '1us'}}, /the last message of GAME is \d+ ms old, more than 1us/],
  ['stream, empty', {stream: {name: 'GAME', 'at-least': 100_000}}, /fewer than 100,000/],
  ['stream, full', {stream: {name: 'GAME', 'at-most': 0}}, /more than 0/],
  [
    'consumer',
    {consumer: {stream: 'GAME', name: 'ci', 'max-lag': 1, active: '5m'}, expect: ['config.durable', 'lag <= 1']},
  ],
  [
    'consumer, lagging',
    {consumer: {stream: 'GAME', name: 'ci', 'max-lag': 0}},
    /the lag of ci is 1, more than 0: 1 pending, 0 not acknowledged/,
  ],
  [
    'consumer, idle',
    {consumer: {stream: 'GAME', name: 'ci', active: '1us'}},
    /ci was last active \d+ ms ago, more than 1us/,
  ],
  ['consumer, not there', {consumer: {stream: 'GAME', name: 'nope'}}, /nope/],
  ['interest in a service', {interest: 'named'}],
  ['interest by a probe', {interest: {subject: 'echo', probe: true}}],
  ['interest of one who does not answer', {interest: {subject: 'slow', probe: true, within: '300ms'}}],
  ['interest, nobody', {interest: {subject: 'nobody', probe: true}}, /nobody/],
  ['interest, nobody announced', {interest: 'nobody'}, /no service announces "nobody"|nobody listens to "nobody"/],
  [
    'latency',
    {latency: {subject: 'echo', count: 50, concurrency: 4, p99: '5s', max: '5s'}, expect: ['ok = 50', 'p50 <= p99']},
  ],
  ['latency, slow', {latency: {subject: 'echo', count: 20, p50: '1us'}}, /p50 is [\d.]+ ms, more than 1us/],
  [
    'latency, the very slowest',
    {latency: {subject: 'echo', count: 20, p9999: '1us'}},
    /p9999 is [\d.]+ ms, more than 1us/,
  ],
  ['latency, nobody', {latency: {subject: 'nobody'}}, /nobody serves "nobody"/],
  ['latency, failing', {latency: {subject: 'broken', count: 2}}, /2 of 2 requests failed/],
  [
    'timeout',
    {req: {subject: 'slow', within: '20s'}, timeout: '300ms'},
    /not done within its timeout of 300 ms|no reply/,
  ],
]

const namesOf = (fails: boolean) =>
  cases.filter(([, , failure]) => (failure !== undefined) === fails).map(([name]) => name)

onBothBuses((newScene) => {
  let scene: StoredScene
  beforeAll(async () => {
    scene = await newScene()
  })
  afterAll(() => scene[Symbol.asyncDispose]())
  /** Runs these services in processes of their own during the tests of a group. */
  const serving = (...names: string[]) => {
    let running: Running[] = []
    beforeAll(async () => {
      running = names.map((name) => scene.start(services[name] ?? []))
      await Promise.all(running.map((service) => service.stderrLine('listening on ')))
    })
    afterAll(() => Promise.all(running.map((service) => service[Symbol.asyncDispose]())))
  }
  const check = (file: string, ...flags: string[]) => scene.run(['check', file, ...flags])

  describe('each kind of check', () => {
    serving(...Object.keys(services))
    let results: Map<string, Result>
    let ended: Ended
    const file = fileOf({checks: cases.map(([name, shape]) => ({name, ...shape}))})
    beforeAll(async () => {
      ended = await check(file, '--json')
      results = new Map(resultsOf(reportOf(ended)).map((result) => [result.name, result]))
    })

    test.each(namesOf(false))('passes: %s', (name) => {
      expect(results.get(name)).toMatchObject({failures: [], status: 'passed'})
    })

    test.each(namesOf(true))('fails: %s', (name) => {
      const failure = cases.find(([one]) => one === name)?.[2]
      expect(results.get(name)).toMatchObject({
        status: 'failed',
        failures: [{sentence: expect.stringMatching(failure ?? '')}],
      })
    })

    test('causes exit code 9 if one fails', () => {
      expect(ended.code).toBe(9)
      expect(JSON.parse(ended.stderr)).toMatchObject({error: {kind: 'expectation', exitCode: 9}})
    })
  })

  describe('bus check', () => {
    serving('echo', 'slow')

    test('passes captured values to later checks with their types', async () => {
      const file = fileOf({
        vars: {order: '{id}', region: 'eu', path: 'echo'},
        checks: [
          {req: {subject: '{path}', json: {id: '{order}', n: 5}}, capture: {got: 'json.id', n: 'json.n', all: 'json'}},
          {
            req: {subject: 'echo', json: {n: '{n}', all: '{all}', text: '{region}-{n}'}},
            expect: {json: {n: 5, all: {id: '{got}', n: 5}, text: 'us-5'}},
          },
          {req: {subject: 'echo', body: '{all.id}'}, expect: 'text = vars.order and vars.region = "us"'},
        ],
      })
      expect(await check(file, '--var', 'region=us')).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('3 passed'),
      })
    })

    test('retries with eventually until the check passes, and not once its time is over', async () => {
      await using counter = scene.start(['serve', 'counter', '{n}', '--template'])
      await counter.stderrLine('listening on ')
      const fourth = {req: 'counter', expect: 'json = 4', eventually: {for: '40s', every: '10ms'}}
      const never = {req: 'echo', expect: 'text = "no"', eventually: '600ms'}
      const once = {req: 'echo', expect: 'text = "no"', eventually: {for: '1s', every: '10s'}}
      expect(resultsOf(reportOf(await check(fileOf({checks: [fourth, never, once]}), '--json')))).toMatchObject([
        {status: 'passed', attempts: 4},
        {status: 'failed', attempts: expect.toSatisfy((count: number) => count >= 1 && count <= 3)},
        {status: 'failed', attempts: 1},
      ])
    })

    test('fails checks whose answers are too slow once their time is over', async () => {
      const file = fileOf({
        within: '400ms',
        checks: [
          {req: 'slow'},
          {messages: {subject: 'lost.>'}},
          {open: 'slow'},
          {latency: {subject: 'slow', count: 1, 'warm-up': 0}},
        ],
      })
      const ended = await check(file, '--json')
      expect(ended.code).toBe(9)
      // The service answers after 20 s, so none of these has waited for it.
      for (const {status, failures} of resultsOf(reportOf(ended)))
        expect([status, failures[0]?.sentence]).toEqual([
          'failed',
          expect.stringMatching(/within 400 ms|400 ms have passed/),
        ])
    })

    test('skips checks by variables, the environment and the bus', async () => {
      const file = fileOf({
        checks: [
          {name: 'a', req: 'nobody', 'skip-if': 'vars.region = "us"'},
          {name: 'b', req: 'nobody', 'skip-if': 'env.SKIP = "1"'},
          {name: 'c', req: 'echo', 'skip-if': '$not(bus.features.streams)'},
          {name: 'd', req: 'nobody', 'skip-if': true},
          {name: 'e', req: 'echo', 'skip-if': false},
        ],
      })
      const ended = await scene.run(['check', file, '--json', '--var', 'region=us'], {env: {SKIP: '1'}})
      expect(resultsOf(reportOf(ended))).toMatchObject([
        {status: 'skipped', reason: 'skip-if: vars.region = "us"'},
        {status: 'skipped'},
        {status: 'passed'},
        {status: 'skipped', reason: 'skip-if: true'},
        {status: 'passed'},
      ])
      expect(ended.code).toBe(0)
    })

    test('ends running checks on Ctrl-C, starts no more, runs always and exits with 130', async () => {
      const file = fileOf({
        checks: [{pub: 'started'}, {name: 'long', req: {subject: 'slow', within: '19s'}}, {name: 'after', req: 'echo'}],
        always: [{pub: {subject: 'cleaned', body: 'up'}}],
      })
      await using cleaned = scene.start(['sub', 'cleaned', '-n', '1'])
      await cleaned.stderrLine('listening')
      await using running = scene.start(['check', file])
      await running.stdoutLine('passed')
      running.interrupt()
      const ended = await running.ended
      expect((await cleaned.ended).stdout).toContain('up')
      expect(ended.code).toBe(130)
      expect(ended.stdout).toMatch(/skipped .* long · interrupted\nskipped .* after · interrupted/)
    })

    test('runs always after a failure and with --bail, and counts its failures', async () => {
      const file = fileOf({checks: [{req: 'nobody'}, {req: 'echo'}], always: [{name: 'clean', req: 'nobody'}]})
      const ended = await check(file, '--bail', '--json')
      expect(resultsOf(reportOf(ended))).toMatchObject([
        {status: 'failed'},
        {status: 'skipped', reason: 'stopped by --bail'},
        {name: 'clean', part: 'always', status: 'failed'},
      ])
      expect(reportOf(ended)).toMatchObject({failed: 2, skipped: 1})
    })

    test('runs 200 checks in 20 files with --jobs 8', async () => {
      const many = join(folder, `many-${++made}`)
      mkdirSync(many)
      const checks = Array.from({length: 10}, (_, n) => ({
        name: `check ${n}`,
        ...(n % 2 === 0
          ? {req: {subject: 'echo', json: {n}}, expect: `json.n = ${n}`}
          : {messages: {subject: `m${n}.{me}`, do: [{pub: `m${n}.{me}`}]}}),
      }))
      for (let n = 0; n < 20; n++) writeFileSync(join(many, `${n}.yaml`), JSON.stringify({vars: {me: n}, checks}))
      expect(reportOf(await check(many, '--jobs', '8', '--json'))).toMatchObject({passed: 200, failed: 0})
    })
  })
})

describe('the selection of checks', () => {
  const url = join(folder, 'choice.db')
  const file = fileOf({
    tags: ['all'],
    checks: [
      {name: 'Quick one', tags: ['smoke'], pub: 'a'},
      {name: 'slow one', tags: ['slow'], pub: 'b'},
    ],
    always: [{pub: 'c'}],
  })
  const dryRun = async (...flags: string[]) =>
    (await bus(['check', file, '-b', url, '--dry-run', ...flags])).stdout.trim().split('\n')

  test.each([
    [[], [/1 Quick one \[all smoke\]/, /slow one/, /pub c \[all always\]/]],
    [
      ['--tag', 'smoke'],
      [/Quick/, /pub c/],
    ],
    [
      ['--tag', '!slow'],
      [/Quick/, /pub c/],
    ],
    [
      ['--tag', 'slow', '--tag', 'smoke'],
      [/Quick/, /slow/, /pub c/],
    ],
    [
      ['--only', 'quick'],
      [/Quick/, /pub c/],
    ],
  ])('follows %j', async (flags, lines) => {
    expect(await dryRun(...flags)).toEqual(lines.map((line) => expect.stringMatching(line)))
  })

  test('fails if it is empty, with a suggestion', async () => {
    const ended = await bus(['check', file, '-b', url, '--only', 'quik one'])
    expect(ended).toMatchObject({code: 2, stderr: expect.stringContaining("--only 'Quick one'")})
  })

  test('is run --repeat times, and --json has the totals', async () => {
    const ended = await bus(['check', file, '-b', url, '--repeat', '3', '--json'])
    expect(JSON.parse(ended.stdout)).toMatchObject({passed: 6, rounds: 3})
  })

  test('comes from files, folders and globs, without duplicates', async () => {
    const home = join(folder, 'places')
    mkdirSync(join(home, 'checks', 'deep'), {recursive: true})
    for (const path of ['checks/a.yaml', 'checks/deep/b.yml', 'c.yaml'])
      writeFileSync(join(home, path), 'checks: [{pub: x}]')
    writeFileSync(join(home, 'checks', 'readme.md'), 'no')
    const paths = async (...words: string[]) =>
      (await bus(['check', ...words, '--dry-run', '-b', url], {cwd: home})).stdout
        .split('\n')
        .map((line) => line.split(':')[0])
    expect(await paths()).toEqual(['checks/a.yaml', 'checks/deep/b.yml', ''])
    expect(await paths('c.yaml', '*.yaml', 'checks')).toEqual(['c.yaml', 'checks/a.yaml', 'checks/deep/b.yml', ''])
    expect(await bus(['check', 'nope'], {cwd: home})).toMatchObject({code: 5})
    expect(await bus(['check'], {cwd: folder})).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('bus check init'),
    })
  })

  test('can be watched only on a terminal', async () => {
    expect(await bus(['check', file, '--watch'])).toMatchObject({code: 2})
  })
})

describe('an error', () => {
  const wrong = fileOf('checks:\n  - req: {subjct: a}\n')
  const well = fileOf({bus: join(folder, 'untouched.db'), checks: [{pub: 'x'}]})

  test('in a check file has its line and column, and nothing is run', async () => {
    const ended = await bus(['check', well, wrong])
    expect(ended).toMatchObject({code: 2, stdout: ''})
    expect(ended.stderr).toContain(`${wrong}:2:11: unknown key "subjct"; did you mean "subject"?`)
  })

  test('in a check file is one object with --json', async () => {
    const {code, stderr} = await bus(['check', well, wrong, '--json'])
    expect(code).toBe(2)
    expect(JSON.parse(stderr).error.data.faults).toMatchObject([{line: 2, column: 11}])
  })

  test('of a bus that cannot be reached is exit code 3', async () => {
    const ended = await bus(['check', fileOf({bus: 'nats://127.0.0.1:1', checks: [{pub: 'x'}]})])
    expect(ended).toMatchObject({code: 3, stdout: ''})
  })

  test('of a bus that is lost during a run is exit code 3, and no check hangs', async () => {
    await using server = await NatsServer.start()
    const checks = [{pub: 'a'}, {req: {subject: 'slow', within: '15s'}}, {name: 'after', req: 'slow'}]
    await using slow = start(['serve', 'slow', '--echo', '--delay', '20s', '-b', server.url()])
    await slow.stderrLine('listening on ')
    await using running = start(['check', fileOf({checks}), '-b', server.url()])
    await running.stdoutLine('passed')
    await server.stop('SIGKILL')
    const ended = await running.ended
    expect(ended.code).toBe(3)
    expect(ended.stdout).toMatch(/ERROR .*after/)
  })
})

describe('a secret of bus check', () => {
  const secret = 'c0rrect-horse'
  let server: NatsServer
  beforeEach(async () => {
    server = await NatsServer.start(`authorization {user: bob, password: "${secret}"}`)
  })
  afterEach(() => server[Symbol.asyncDispose]())

  test('of the login or the environment appears in no output', async () => {
    const checks = [
      {
        messages: {
          subject: 'leak',
          exactly: 2,
          settle: '10ms',
          within: '100ms',
          do: [{pub: {subject: 'leak', json: {password: secret, key: '{env.API_KEY}'}}}],
        },
      },
      {name: `named ${secret}`, req: {subject: `x.${secret}`}},
      {messages: {subject: 'leak', do: [{pub: {subject: 'leak', body: secret}}]}, expect: {text: 'other'}},
    ]
    const env = {API_KEY: 'k-98765', NATS_USER: 'bob', NATS_PASSWORD: secret}
    const runs = await Promise.all([
      bus(['check', fileOf({checks}), '-b', server.url({login: `bob:${secret}`})], {env}),
      bus(['check', fileOf({checks}), '-b', server.url(), '--json'], {env}),
      bus(['check', fileOf({bus: server.url(), checks})], {env}),
    ])
    for (const {code, stdout, stderr} of runs) {
      expect(code).toBe(9)
      expect(stdout).toContain('***')
      expect(stdout + stderr).not.toContain(secret)
      expect(stdout + stderr).not.toContain('k-98765')
    }
  })
})

describe('the bus of a check file', () => {
  const path = (name: string) => join(folder, name)
  const file = (bus: object) =>
    fileOf({...bus, vars: {which: 'b'}, checks: [{pub: 'x', 'skip-if': '$contains(bus.url, "a.db")'}]})
  const skipped = async (name: string, flags: string[], env = {}) =>
    reportOf(await bus(['check', name, '--json', ...flags], {env: {...env, BUS_URL: path('a.db')}})).skipped

  test('is that of the flags, else of the file, else of the environment', async () => {
    expect(await skipped(file({}), [])).toBe(1)
    expect(await skipped(file({bus: path('b.db')}), [])).toBe(0)
    expect(await skipped(file({bus: path('b.db')}), ['-b', path('a.db')])).toBe(1)
  })

  test('may contain variables', async () => {
    expect(await skipped(file({bus: path('{which}.db')}), ['--var', 'which=a'])).toBe(1)
    expect(await skipped(file({bus: '{env.WHERE}'}), [], {WHERE: path('b.db')})).toBe(0)
    expect(await bus(['check', file({bus: '{env.NOWHERE}'})])).toMatchObject({code: 2})
  })

  test('may be given by a context', async () => {
    const home = {XDG_CONFIG_HOME: path('config')}
    await bus(['context', 'add', 'ci', '-b', path('b.db')], {env: home})
    expect(await skipped(file({context: 'ci'}), [], home)).toBe(0)
    expect(await bus(['check', file({context: 'nope'})], {env: home})).toMatchObject({code: 5})
  })
})

const hasTerminals = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0

test.runIf(hasTerminals)(
  'bus check --watch runs again at each change, even after an error in a file, until Ctrl-C',
  async () => {
    const home = mkdtempSync(join(folder, 'watched-'))
    const write = (text: string) => writeFileSync(join(home, 'a.yaml'), text)
    write('checks: [{pub: one}]')
    // Without exec, Ctrl-C would end the shell.
    const command = `exec '${process.execPath}' '${bin}' check '${home}' --watch -b '${join(home, 'watched.db')}'`
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      env: {PATH: process.env['PATH'], HOME: home, TERM: 'xterm'},
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    let shown = ''
    let look = () => {}
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += stripVTControlCharacters(text)
      look()
    })
    const waits = async (...signs: RegExp[]) => {
      const isThere = () => signs.every((sign) => sign.test(shown)) && shown.includes('waiting for a change')
      while (!isThere()) await new Promise<void>((resolve) => (look = resolve))
      shown = ''
    }
    await waits(/1 passed/)
    write('checks: [{pub: one}, {req: two}]')
    await waits(/1 failed/, /nobody serves "two"/)
    write('chks: []')
    await waits(/a\.yaml:1:1: unknown key "chks"/)
    write('checks: [{pub: one}, {pub: two}]')
    await waits(/2 passed/)
    child.stdin.write('\x03')
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0)
  },
)

test('bus check --schema prints a JSON Schema that has every kind of check', async () => {
  const {stdout, code} = await bus(['check', '--schema'])
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({$schema: expect.stringContaining('json-schema.org'), title: 'bus check'})
  for (const kind of [
    'req',
    'rpc',
    'open',
    'pub',
    'publish',
    'subscribe',
    'messages',
    'stream',
    'consumer',
    'interest',
    'latency',
  ])
    expect(stdout).toContain(`"${kind}"`)
})

test('a bus that gives no answer is exit code 6; a service that gives none is a failed check', async () => {
  await using server = await NatsServer.start()
  await using silent = start(['sub', '$JS.API.>', 'mute', '-b', server.url()])
  await silent.stderrLine('listening on ')
  const run = async (check: object) =>
    await bus(['check', fileOf({checks: [check]}), '-b', server.url(), '-t', '300ms', '--json'])
  const unanswered = await run({stream: 'S'})
  expect(resultsOf(reportOf(unanswered))).toMatchObject([
    {status: 'error', failures: [{kind: 'timeout', unanswered: true}]},
  ])
  expect(unanswered.code).toBe(6)
  expect((await run({req: 'mute'})).code).toBe(9)
  expect((await run({stream: 'S', expect: 'status = "timeout"'})).code).toBe(0)
})
