/** Checks of streams, consumers, keys and interest, by the library, on both buses. */
import {expect, test} from 'vitest'
import {LazyProtocols} from '../../../src/commands/check/protocols.ts'
import {loadFile} from '../../../src/lib/checks/load.ts'
import {runFiles} from '../../../src/lib/checks/run.ts'
import {Scrubber} from '../../../src/lib/checks/scrub.ts'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {onBothBuses} from '../../both-buses.ts'

/** Each check with its status and the first sentence about it. */
async function outcomes(bus: Transport, checks: readonly object[]): Promise<(readonly [string, string])[]> {
  const file = await loadFile('facts.yaml', JSON.stringify({checks}))
  const found: (readonly [string, string])[] = []
  await runFiles([file], {
    ...{busOf: () => bus, scrubber: new Scrubber(), env: {}, vars: new Map(), withinMs: 1000, jobs: 1, bail: false},
    ...{round: 1, chosen: () => true, signal: new AbortController().signal},
    protocols: new LazyProtocols(() => ({url: bus.url, why: 'a test', server: {}, warnings: []})),
    tell: (event) => {
      if (event.kind === 'checkEnd') found.push([event.result.status, JSON.stringify(event.result)])
    },
  })
  return found
}

onBothBuses((newScene) => {
  test('a stream is checked for its subjects, age and number of messages', async () => {
    await using scene = await newScene()
    const {streams} = scene.transport
    await streams.add({name: 'A', subjects: ['a.>']})
    await streams.add({name: 'EMPTY', subjects: ['e']})
    for (const data of ['1', '2']) await streams.publish({subject: 'a.b', data})
    const found = await outcomes(scene.transport, [
      {stream: {name: 'A', subjects: ['a.>'], fresh: '1m', 'at-least': 2, 'at-most': 2}, expect: 'state.messages = 2'},
      {stream: {name: 'A', subjects: ['b']}},
      {stream: {name: 'A', 'at-least': 3}},
      {stream: {name: 'A', 'at-most': 1}},
      {stream: {name: 'EMPTY', fresh: '1m'}},
      {stream: {name: 'A', 'mirror-lag': 0}},
      {stream: 'NONE'},
    ])
    expect(found.map(([status]) => status)).toEqual(['passed', ...Array(5).fill('failed'), found.at(-1)?.[0]])
    expect(found.slice(1).map(([, text]) => text)).toEqual([
      expect.stringContaining('A stores a.>, not b'),
      expect.stringContaining('A has 2 messages, fewer than 3'),
      expect.stringContaining('A has 2 messages, more than 1'),
      expect.stringContaining('EMPTY has no messages, so none within 1m'),
      expect.stringContaining('A copies no other stream'),
      expect.stringContaining('NONE'),
    ])
  })

  test('a consumer is checked for its lag, redeliveries and pause', async () => {
    await using scene = await newScene()
    const {streams} = scene.transport
    await streams.add({name: 'A', subjects: ['a.>']})
    await streams.consumers.add('A', {name: 'c'})
    await streams.publish({subject: 'a.b', data: '1'})
    const consumer = {stream: 'A', name: 'c'}
    const found = await outcomes(scene.transport, [
      {consumer: {...consumer, 'max-lag': 1, 'max-redelivered': 0, paused: false}, expect: 'pending = 1'},
      {consumer: {...consumer, 'max-lag': 0}},
      {consumer: {...consumer, paused: true}},
      {consumer: {...consumer, active: '1s'}},
      {consumer: {...consumer, name: 'none'}},
    ])
    expect(found[0]?.[0], found[0]?.[1]).toBe('passed')
    for (const [status, text] of found.slice(1)) expect(status, text).not.toBe('passed')
  })

  test('a key and the interest in a subject are checked', async () => {
    await using scene = await newScene()
    const {transport} = scene
    await transport.streams.add({name: 'KV_config', subjects: ['$KV.config.>'], maxMsgsPerSubject: 1})
    await transport.streams.publish({subject: '$KV.config.color', data: 'red'})
    await using _service = await transport.subscribe('served', {queue: 'q'})
    await transport.flush()
    const found = await outcomes(transport, [
      {kv: {bucket: 'config', key: 'color'}, expect: 'text = "red"'},
      {kv: {bucket: 'config', key: 'size', absent: true}},
      {interest: 'served'},
      {kv: {bucket: 'config', key: 'size'}},
      {kv: {bucket: 'config', key: 'color', absent: true}},
      {interest: 'nobody'},
      {kv: {bucket: 'none', key: 'x'}},
    ])
    expect(found.map(([status]) => status).slice(0, 3), found.join('\n')).toEqual(['passed', 'passed', 'passed'])
    for (const [status, text] of found.slice(3)) expect(status, text).not.toBe('passed')
  })
})
