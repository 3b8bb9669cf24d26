import {describe, expect, test} from 'vitest'
import {deliveredOf, messageOf} from '../../../../src/lib/protocols/event-delivery/client.ts'

const subscription = {id: 'i', namespace: 'S', name: 'app'}
const event = {id: '1', sequence: 7, type: 'message', topic: 'a.b', created: '2026-11-20T10:00:00.000Z', subscription}

describe('a frame of a gateway', () => {
  test('is an event, or a batch of them', () => {
    expect(deliveredOf(JSON.stringify(event))).toEqual({id: '1', subscription, events: [event]})
    const batch = {type: 'event_batch', id: 'b', subscription, events: [event, event]}
    expect(deliveredOf(JSON.stringify(batch))).toEqual({id: 'b', subscription, events: [event, event]})
    const [first] = deliveredOf(JSON.stringify({...event, data: {headers: {A: ['1', '2']}, text: 'x'}})).events
    expect(first && messageOf(first)).toMatchObject({
      ...{subject: 'a.b', seq: 7, text: 'x'},
      headers: [
        ['A', '1'],
        ['A', '2'],
      ],
    })
  })

  test.each([
    ...['', 'hello', 'null', '[]', '{}', '{"id":1}'],
    ...[
      {...event, topic: 1},
      {...event, sequence: '7'},
      {...event, data: 'x'},
      {...event, data: {headers: [['A']]}},
    ].map((json) => JSON.stringify(json)),
    JSON.stringify({type: 'event_batch', id: 'b', subscription, events: [null]}),
  ])('that is not an event fails with one sentence: %s', (text) => {
    expect(() => deliveredOf(text)).toThrow(
      expect.objectContaining({
        kind: 'remote',
        message: expect.stringContaining('the gateway sent something other than an event'),
      }),
    )
  })

  test('that is a protocol error fails with the text of the gateway', () => {
    expect(() => deliveredOf('{"type":"protocol_error","error":"x"}')).toThrow('the gateway says: x')
  })
})
