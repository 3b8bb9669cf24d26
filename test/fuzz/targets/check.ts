import assert from 'node:assert/strict'
import {loadFile} from '../../../src/lib/checks/load.ts'
import {parseVariable, Variables} from '../../../src/lib/checks/variables.ts'
import {parseYaml} from '../../../src/lib/checks/yaml.ts'
import {BusError} from '../../../src/lib/core/errors.ts'
import {partsOf, refused, type Target, textOf} from '../target.ts'

export const target: Target = {
  slowMs: 3000,
  seeds: [
    'vars: {a: 1}\nchecks:\n  - req: a.b\n    expect: json.total > 100\n',
    'checks:\n  - name: x\n    pub: {subject: "a.{id}", json: {n: "{n}"}, count: 3, headers: {A: [1, true]}}\n    capture: {c: text}\n  - skip-if: vars.c\n    stream: {name: ORDERS}\nalways:\n  - serves: a\n',
    'checks:\n  - messages: {subject: a.>, where: "x", order: [seq], within: 2s, at-least: 1, do: [{req: "{c.json.id}"}]}\n    expect: {json.id: 1}\n',
    'a: &a [1]\nb: [*a, *a]\n<<: *a\n',
    'bus: memory:x\ncontext: c\ntags: [a]\nchecks: []\n',
    'x=1\n{env.HOME} {time} {random:1-9} {x.y}',
  ],
  words: [
    ...[
      'checks:\n',
      '  - ',
      'req: ',
      'pub: ',
      'messages: ',
      'stream: ',
      'consumer: ',
      'rpc: ',
      'interest: ',
      'expect: ',
    ],
    ...[
      'capture: ',
      'within: ',
      'do: ',
      'order: ',
      'where: ',
      'headers: ',
      'subject: ',
      '{',
      '}',
      '[',
      ']',
      '"',
      '&a ',
      '*a',
      '<<: ',
    ],
    ...[
      '|\n',
      '!!',
      '%',
      '? ',
      ': ',
      '\n',
      '  ',
      '{id}',
      '{env.',
      '{{',
      'vars:',
      'name: ',
      'tags: ',
      'always:\n',
      '__proto__: ',
    ],
  ],
  async run(bytes) {
    // The parser takes time for each of many faults.
    const text = textOf(bytes.subarray(0, 4096))
    const {value, faults} = parseYaml(text)
    for (const {line, column, sentence} of faults) assert.ok(line > 0 && column > 0 && sentence !== '')
    if (faults.length > 0) assert.equal(value, undefined)
    try {
      const file = await loadFile('c.yaml', text, ['given'])
      for (const {plan} of file.checks) assert.ok(plan.line > 0 && plan.name !== '')
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      assert.match(error.message, /^c\.yaml:\d+:\d+: [^\n]/)
    }
    const [assignment = '', template = ''] = partsOf(bytes, 2)
    const variables = new Variables({HOME: '/h', TOKEN: 'hunter2'}, () => undefined)
    const variable = refused(() => parseVariable(assignment))
    if (variable !== undefined) variables.set(...variable)
    refused(() => variables.text(template))
    refused(() => variables.json({a: [template, value]}))
  },
}
