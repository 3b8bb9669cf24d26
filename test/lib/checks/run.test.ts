import {describe, expect, test} from 'vitest'
import {LazyProtocols} from '../../../src/commands/check/protocols.ts'
import type {CheckEvent} from '../../../src/lib/checks/events.ts'
import {loadFile} from '../../../src/lib/checks/load.ts'
import {type RunOptions, runFiles} from '../../../src/lib/checks/run.ts'
import {Scrubber} from '../../../src/lib/checks/scrub.ts'
import {open} from '../../../src/lib/transport/open.ts'

/** Runs files, given as their texts, on a memory bus and returns the events. */
async function run(texts: readonly string[], options: Partial<RunOptions> = {}): Promise<CheckEvent[]> {
  await using bus = await open('memory:')
  const files = await Promise.all(texts.map((text, at) => loadFile(`${at + 1}.yaml`, text)))
  const events: CheckEvent[] = []
  const protocols = new LazyProtocols(() => ({url: bus.url, why: 'a test', server: {}, warnings: []}))
  await runFiles(files, {
    ...{busOf: () => bus, protocols, tell: (event) => void events.push(event), scrubber: new Scrubber()},
    ...{env: {}, vars: new Map(), withinMs: 1000, jobs: 1, bail: false, round: 1, chosen: () => true},
    signal: new AbortController().signal,
    ...options,
  })
  return events
}

/** `checkEnd a passed` */
const summary = (events: readonly CheckEvent[]) =>
  events.map((event) => {
    if (event.kind === 'checkEnd') return `checkEnd ${event.result.name} ${event.result.status}`
    if (event.kind === 'checkStart') return `checkStart ${event.check.name}`
    return event.kind
  })

const end = (events: readonly CheckEvent[]) => {
  const last = events.at(-1)
  if (last?.kind !== 'end') throw new Error('no end event')
  return last
}

describe('a run of check files', () => {
  test('emits events in order: checks, then always, then the end', async () => {
    const events = await run(['checks: [{pub: a}, {req: b}]\nalways: [{pub: c}]', 'checks: [{pub: d}]'])
    expect(summary(events)).toEqual([
      ...[
        'start',
        'fileStart',
        'checkStart pub a',
        'checkEnd pub a passed',
        'checkStart req b',
        'checkEnd req b failed',
      ],
      ...['checkStart pub c', 'checkEnd pub c passed', 'fileEnd'],
      ...['fileStart', 'checkStart pub d', 'checkEnd pub d passed', 'fileEnd', 'end'],
    ])
    expect(end(events)).toMatchObject({totals: {passed: 2, failed: 1, skipped: 0, errors: 0}, round: 1})
  })

  test.each([1, 3, 4])(
    'runs %i files in parallel if jobs says so, and the end event has them in order',
    async (jobs) => {
      const slow = 'checks: [{messages: {subject: a, none: true, within: 100ms}}]'
      const events = await run([slow, slow, slow, 'checks: [{pub: b}]'], {jobs})
      let [running, most] = [0, 0]
      for (const {kind} of events) {
        if (kind === 'fileStart') most = Math.max(most, ++running)
        if (kind === 'fileEnd') running--
      }
      expect(most).toBe(jobs)
      expect(end(events).files.map(({file}) => file)).toEqual(['1.yaml', '2.yaml', '3.yaml', '4.yaml'])
    },
  )

  test('starts nothing more in any file after a failure with bail', async () => {
    const events = await run(['checks: [{req: a}, {pub: b}]', 'checks: [{pub: c}]'], {bail: true})
    expect(end(events)).toMatchObject({totals: {passed: 0, failed: 1, skipped: 2}, stoppedBy: 'bail'})
  })

  test('skips the rest when it is stopped, but still runs always', async () => {
    const stop = new AbortController()
    const events: CheckEvent[] = []
    await run(['checks: [{messages: {subject: a, within: 20s}}, {pub: b}]\nalways: [{name: clean, pub: c}]'], {
      signal: stop.signal,
      tell: (event) => {
        events.push(event)
        if (event.kind === 'checkStart') stop.abort()
      },
    })
    const results = end(events).files.flatMap(({results}) => results)
    expect(results.map(({name, status}) => [name, status])).toEqual([
      ['messages a', 'skipped'],
      ['pub b', 'skipped'],
      ['clean', 'passed'],
    ])
    expect(end(events).stoppedBy).toBe('interrupt')
  })

  test('emits an event for each failed attempt', async () => {
    const events = await run(['checks: [{req: a, eventually: {for: 200ms, every: 50ms}}]'])
    const retries = events.filter(({kind}) => kind === 'retry')
    expect(retries.length).toBeGreaterThan(0)
    expect(retries[0]).toMatchObject({attempt: 1, failures: [{sentence: expect.stringContaining('nobody serves "a"')}]})
  })

  test('gives every check an error if a variable of its file has no value', async () => {
    const [result] = end(await run(['vars: {a: "{env.NOPE}"}\nchecks: [{pub: x}]'])).files.flatMap(
      ({results}) => results,
    )
    expect(result).toMatchObject({status: 'error', failures: [{sentence: expect.stringContaining('NOPE')}]})
  })

  test('reports a variable that was not captured as an error, not as a failure', async () => {
    const events = await run(['checks: [{req: nobody, capture: {id: json}}, {name: b, pub: "x.{id}"}]'])
    expect(end(events).totals).toMatchObject({failed: 1, errors: 1})
  })

  test('keeps the messages that a check saw, without secrets', async () => {
    const scrubber = new Scrubber()
    scrubber.add('hunter2')
    const text =
      'checks: [{messages: {subject: a, exactly: 2, settle: 1ms, within: 50ms, do: [{pub: {subject: a, body: "pw hunter2"}}]}}]'
    const [result] = end(await run([text], {scrubber})).files.flatMap(({results}) => results)
    expect(result?.messages.map(({text}) => text)).toEqual(['pw ***'])
    expect(JSON.stringify(result)).not.toContain('hunter2')
  })
})
