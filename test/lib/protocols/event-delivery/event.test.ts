import {describe, expect, test} from 'vitest'
import {Message} from '../../../../src/lib/core/message.ts'
import {deliveryWriter, eventHeaders, eventId, eventOf} from '../../../../src/lib/protocols/event-delivery/event.ts'

const ref = {id: '0', namespace: 'ORDERS', name: 'billing'}
const time = Date.UTC(2026, 10, 20, 10) + 0.25

function idOf(stream: string, seq: number, time = Date.UTC(2026, 10, 20)): string {
  return eventId(stream, {seq, time})
}

describe('an event', () => {
  test('has the id of version 5 of RFC 9562, over stream and sequence', () => {
    expect(idOf('ORDERS', 7)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(idOf('ORDERS', 7)).toBe(idOf('ORDERS', 7))
    expect(new Set([idOf('ORDERS', 7), idOf('ORDERS', 8), idOf('ORDERS7', 7), idOf('é', 7)]).size).toBe(4)
  })

  test('is delivered as JSON with its subscription', () => {
    const event = eventOf('ORDERS', new Message('orders.created', '{"n":1}', [], undefined, 7, time))
    expect(JSON.parse(deliveryWriter(ref, false)(event))).toEqual({
      id: idOf('ORDERS', 7, time),
      sequence: 7,
      type: 'message',
      namespace: 'ORDERS',
      topic: 'orders.created',
      created: '2026-11-20T10:00:00.000250Z',
      subscription: ref,
    })
  })

  test('gets members from its headers', () => {
    const headers = [
      [eventHeaders.type, 'order_created'],
      [eventHeaders.correlator, 'c-1'],
      [eventHeaders.tag, 'red'],
      [eventHeaders.author, 'ann'],
      [eventHeaders.transaction, 't-1'],
      [eventHeaders.transactionType, 'pin'],
      ['Nats-Msg-Id', 'm-1'],
    ] as const
    const event = eventOf('ORDERS', new Message('a', '', headers, undefined, 7, time))
    expect(JSON.parse(deliveryWriter(ref, false)(event))).toMatchObject({
      type: 'order_created',
      correlator: 'c-1',
      message: {header: {id: 'm-1', tag: 'red', author: 'ann'}},
      transaction: {id: 't-1', type: 'pin'},
    })
  })

  test('cannot be mistaken for a message of the protocol', () => {
    const typed = (type: string) => eventOf('S', new Message('a', '', [[eventHeaders.type, type]], undefined, 1)).type
    expect(['protocol_error', 'event_batch', '', 'paid'].map(typed)).toEqual(['message', 'message', 'message', 'paid'])
  })

  test.each([
    ['JSON', '{"a":[1]}', {json: {a: [1]}}],
    ['text', 'hello "you"', {text: 'hello "you"'}],
    ['bytes', Uint8Array.of(0xff, 0), {base64: '/wA='}],
    ['JSON whose bytes differ', '{ "a":1.0 }', {json: {a: 1}, text: '{ "a":1.0 }'}],
  ])('has its payload as data: %s', (_, payload, data) => {
    const event = eventOf('S', new Message('a', payload, [['X', 'y']], undefined, 1, time))
    expect(JSON.parse(deliveryWriter(ref, true)(event)).data).toEqual({headers: {X: 'y'}, ...data})
  })
})
