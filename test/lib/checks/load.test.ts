import {describe, expect, test, vi} from 'vitest'
import {loadFile} from '../../../src/lib/checks/load.ts'
import type {BusError} from '../../../src/lib/core/errors.ts'

/** `5:11 unknown key …` for each fault, in order. */
async function faultsIn(text: string, given: string[] = []): Promise<string[]> {
  const error = await loadFile('a.yaml', text, given).then(
    () => undefined,
    (failure: BusError) => failure,
  )
  if (error === undefined) return []
  expect(error.kind).toBe('usage')
  const {faults} = error.data as {faults: {line: number; column: number; sentence: string}[]}
  expect(error.message).toContain(`a.yaml:${faults[0]?.line}:${faults[0]?.column}: ${faults[0]?.sentence}`)
  return faults.map(({line, column, sentence}) => `${line}:${column} ${sentence}`)
}

describe('a check file', () => {
  test('assigns lines, names and tags to its checks', async () => {
    const file = await loadFile(
      'checks/a.yaml',
      'name: orders\ntags: [smoke]\nchecks:\n  - req: orders.get\n  - name: two\n    tags: [slow]\n    pub: {subject: a}\nalways:\n  - pub: b\n',
    )
    expect(file.checks.map(({plan}) => plan)).toEqual([
      {name: 'req orders.get', kind: 'req', file: 'checks/a.yaml', part: 'checks', line: 4, tags: ['smoke']},
      {name: 'two', kind: 'pub', file: 'checks/a.yaml', part: 'checks', line: 5, tags: ['smoke', 'slow']},
    ])
    expect(file.always.map(({plan}) => [plan.line, plan.part])).toEqual([[9, 'always']])
    expect(file.checks.map(({spec}) => spec)).toEqual([
      {kind: 'req', subject: 'orders.get'},
      {kind: 'pub', subject: 'a'},
    ])
  })

  test('may use YAML anchors, aliases and merge keys', async () => {
    const file = await loadFile(
      'a.yaml',
      'checks:\n  - req: &ask {subject: a, within: 1s}\n  - req: {<<: *ask, subject: b}\n    expect: json.a = 1',
    )
    expect(file.checks[1]?.spec).toEqual({kind: 'req', subject: 'b', within: '1s'})
    expect(file.checks[1]?.expectations[0]?.line).toBe(4)
  })
})

describe('an error in a check file has its line and column:', () => {
  test.each([
    ['an empty file', '', ['1:1 the file is empty; bus check init writes a first one']],
    ['a list', '- req: a', ['1:1 the file is not a mapping']],
    [
      'a key that belongs inside',
      'checks:\n  - req: {subject: a}\n    within: 1s',
      ['3:5 "within" belongs inside "req"'],
    ],
    [
      'a key that belongs beside',
      'checks:\n  - req: {subject: a, timeout: 1s}',
      ['2:23 "timeout" belongs beside "req", not inside it'],
    ],
    ['a key of the file', 'checks:\n  - req: a\n    vars: {}', ['3:5 "vars" belongs at the top of the file']],
    ['a key of a check', 'checks:\n  - req: a\nexpect: b', ['3:1 "expect" belongs inside one of "checks"']],
    [
      'a key of another kind',
      'checks:\n  - publish: {topic: a, subject: a}',
      [
        '2:25 unknown key "subject"; "publish" takes topic, stream, payload, jetstream; to publish on a subject, use "pub"',
      ],
    ],
    ['a kind in a long form', 'checks:\n  - request: a', ['2:5 unknown key "request"; did you mean "req"?']],
    [
      'a body that is a mapping',
      'checks:\n  - pub: {subject: a, body: {b: 1}}',
      ['2:29 "body" is not a string; "json" takes a mapping or a list'],
    ],
    [
      'braces without quotes',
      'checks:\n  - req: {subject: a.{id}}',
      [/^2:22 unexpected "\{": quote a string that has braces/],
    ],
    [
      'two things in the order of the file',
      'checks:\n  - pub: b\n    req: a',
      ['3:5 a check does one thing: "pub" or "req"'],
    ],
    ['no checks', 'name: a', ['1:1 needs "checks"']],
    ['broken YAML', 'checks:\n  - req: "a', ['2:12 missing closing "quote']],
    ['a duplicate key', 'name: a\nname: b\nchecks: [{req: a}]', ['2:1 map keys must be unique']],
    [
      'several keys of another kind',
      'checks:\n  - publish: {subject: foo, body: hi}',
      [
        '2:15 unknown keys "subject", "body"; "publish" takes topic, stream, payload, jetstream; to publish on a subject, use "pub"',
      ],
    ],
    ['a misspelt list of checks', 'check:\n  - req: a', ['1:1 unknown key "check"; did you mean "checks"?']],
    ['a key without a value', 'checks:\n  - req: a\n    expect:', ['3:12 "expect" has no value']],
    ['a duration without a unit', 'within: 5\nchecks:\n  - req: a', ['1:9 "within" is 5 without a unit, such as 5s']],
    [
      'a subject that YAML reads as an alias',
      'checks:\n  - req: *.a',
      [`1:1 unexpected "*": quote a string that begins with it, such as '*.created'`],
    ],
    ['a text that YAML reserves', 'checks:\n  - req: @a', ['2:10 unexpected "@": quote a string that begins with it']],
    [
      'a text with ": " in it',
      'checks:\n  - name: a: b\n    req: a',
      ['2:11 unexpected ": ": quote a string that contains it'],
    ],
    [
      'several documents',
      'checks:\n  - req: a\n---\nchecks:\n  - req: b',
      ['3:1 the file has several documents, separated by "---"'],
    ],
    ['an unknown key', 'checks:\n  - req: a\n    expct: b', ['3:5 unknown key "expct"; did you mean "expect"?']],
    [
      'a missing key and an unknown one',
      'checks:\n  - req: {subjct: a}',
      ['2:11 unknown key "subjct"; did you mean "subject"?'],
    ],
    ['a wrong type', 'checks:\n  - req: 5', ['2:10 "req" is not a string or a mapping']],
    ['a duration without a unit', 'checks:\n  - req: {subject: a, within: "5"}', [/^2:31 "within" is not a duration/]],
    [
      'an invalid choice',
      'checks:\n  - open: {subject: a, dialect: third}',
      ['2:33 "dialect" is not "first" or "later"'],
    ],
    ['a check that does nothing', 'checks:\n  - name: a', [/^2:5 this check does nothing: it needs one of req, rpc,/]],
    ['a check that does two things', 'checks:\n  - req: a\n    pub: b', ['3:5 a check does one thing: "req" or "pub"']],
    ['a bad subject', 'checks:\n  - pub: a..b', ['2:5 subject "a..b" has an empty token at position 3']],
    ['a bad subject in the long form', 'checks:\n  - pub: {subject: "a b"}', [/^2:11 subject "a b" has a space/]],
    ['two payloads', 'checks:\n  - pub: {subject: a, body: b, json: 1}', [/^2:32 "json" is a second payload/]],
    [
      'an invalid expression',
      'checks:\n  - req: a\n    expect:\n      - ms < 5\n      - "json. ="',
      [/^5:9 expect "json\. =" is not JSONata/],
    ],
    ['an invalid capture', 'checks:\n  - req: a\n    capture: {x: "(("}', [/^3:18 capture "\(\(" is not JSONata/]],
    [
      'an invalid name of a capture',
      'checks:\n  - req: a\n    capture: {a-b: json}',
      [/^3:15 "a-b" is not a valid name/],
    ],
    [
      'an unknown placeholder',
      'checks:\n  - req: "a.{b}"',
      ['2:5 {b} is not a known variable; write {{b}} for literal braces'],
    ],
    ['an unclosed placeholder', 'checks:\n  - pub: {subject: a, body: "{abc"}', [/^2:23 "\{abc" has .* not closed/]],
    [
      'an unknown placeholder deep in JSON',
      'checks:\n  - pub:\n      subject: a\n      json: {x: [1, "{no}"]}',
      [/^4:21 \{no\} is not a known variable/],
    ],
    [
      'a duplicate name',
      'checks:\n  - {name: a, req: b}\n  - {name: a, req: c}',
      ['3:6 "a" is also the name of the check on line 2'],
    ],
    [
      'messages without a subject',
      'checks:\n  - messages: {exactly: 1}',
      [/^2:5 "messages" needs one of "subject" and "subjects"/],
    ],
    [
      'two exclusive counts',
      'checks:\n  - messages: {subject: a, exactly: 1, at-most: 2}',
      [/^2:28 "exactly" and "at-most" cannot be used together/],
    ],
    [
      'an invalid step',
      'checks:\n  - messages:\n      subject: a\n      do:\n        - req: {}',
      ['5:16 needs "subject"'],
    ],
    ['msg-id without ack', 'checks:\n  - pub: {subject: a, msg-id: x}', ['2:23 "msg-id" needs "ack: true"']],
    [
      'a bus and a context',
      'bus: a.db\ncontext: b\nchecks: [{req: a}]',
      [/^2:1 "bus" and "context" cannot be used together/],
    ],
    ['an invalid header name', 'checks:\n  - req: {subject: a, headers: {"a b": c}}', [/^2:33 header name "a b"/]],
  ])('%s', async (_, text, faults) => {
    expect(await faultsIn(text)).toEqual(
      faults.map((fault) => (typeof fault === 'string' ? fault : expect.stringMatching(fault))),
    )
  })

  test('all errors are listed in the order of the file', async () => {
    const faults = await faultsIn('checks:\n  - req: a..b\n  - req: a\n    expect: "("\n  - name: x\n')
    expect(faults.map((fault) => fault.split(' ')[0])).toEqual(['2:5', '4:13', '5:5'])
  })

  test.each([200, 5000])('a value nested %i levels deep', async (levels) => {
    for (const open of ['[', '{a: ', 'a:\n ', '- '])
      expect((await faultsIn(`checks:\n  - ${open.repeat(levels)}`)).length).toBeGreaterThan(0)
    const deep = `checks: ${'['.repeat(levels)}${']'.repeat(levels)}`
    expect((await faultsIn(deep))[0]).toMatch(/^1:\d+ it is nested more than 100 levels deep$/)
  })

  test('a list as a key, without a warning of the parser on stderr', async () => {
    const warned = vi.spyOn(process, 'emitWarning')
    expect(await faultsIn('checks:\n  - {[a, "\\e[2J"]: b}')).toHaveLength(1)
    expect(warned).not.toHaveBeenCalled()
  })

  test('aliases that would expand without bounds', async () => {
    const lines = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefgh'.split('').map((name, at) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[at]}`)}]`),
    ]
    expect(await faultsIn(`${lines.join('\n')}\nchecks: []`)).toEqual([expect.stringMatching(/alias/)])
  })
})

describe('a placeholder in a check file', () => {
  test.each(['{id}', '{time}', '{env.HOME}', '{random:1-5}', '{a}', '{a.b}', '{later}', '{inner}', '{given}', '{{a}}'])(
    '%s is known',
    async (placeholder) => {
      const text = `vars: {a: {b: 1}}\nchecks:\n  - pub: {subject: x, body: '${placeholder}'}\n  - req: x\n    capture: {later: json}\n  - messages: {subject: x, do: [{req: x, capture: {inner: text}}]}`
      expect(await faultsIn(text, ['given'])).toEqual([])
    },
  )

  test('is not looked for in JSONata, which uses braces itself', async () => {
    expect(
      await faultsIn(
        "checks:\n  - messages: {subject: x, where: '{\"a\": 1}.a = 1', order: ['$exists({\"a\":1}.a)']}\n    expect: '{a: 1}'\n    skip-if: '{a: 1}'\n    capture: {z: '{a: 1}'}",
      ),
    ).toEqual([])
  })
})
