import {expect, test} from 'vitest'
import {validate} from '../../../../src/lib/protocols/broker/config.ts'

test('absent and empty settings have their defaults', () => {
  const defaults = {url: 'nats://127.0.0.1:4222', stream: 'GAME_EVENTS', jetstream: false}
  for (const config of [undefined, null, {}, {url: '', stream: ''}]) expect(validate(config)).toEqual(defaults)
  expect(validate({url: 'memory:a', stream: 'A', jetstream: true, other: 1})).toEqual({
    url: 'memory:a',
    stream: 'A',
    jetstream: true,
  })
})

test.each([
  ['text', 'broker: the configuration is not an object'],
  [[], 'broker: the configuration is not an object'],
  [{url: 1}, 'broker: "url" is not a string'],
  [{stream: false}, 'broker: "stream" is not a string'],
  [{jetstream: 'yes'}, 'broker: "jetstream" is neither true nor false'],
  [{stream: 'a.b'}, 'broker: "stream" cannot be "a.b": no spaces, "." "*" ">" "/" or "\\"'],
])('%j is refused', (config, message) => {
  expect(() => validate(config)).toThrow(expect.objectContaining({kind: 'usage', message}))
})
