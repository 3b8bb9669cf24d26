import type {Outgoing} from '../../../../src/lib/core/message.ts'
import type {Subscription, Transport} from '../../../../src/lib/transport/contract.ts'
import {
  type Consumers,
  type Consuming,
  Delivery,
  type StreamPublisher,
  type Streams,
} from '../../../../src/lib/transport/streams-contract.ts'
import {bent} from '../../faulty.ts'

/** A connection whose streams behave differently in some respect. */
export function bentStreams(sound: Transport, change: (streams: Streams) => Partial<Streams>): Partial<Transport> {
  return {streams: {...sound.streams, ...change(sound.streams)}}
}

/** A connection that stores something other than what was given. */
export function bentStoring(sound: Transport, change: (message: Outgoing) => Outgoing): Partial<Transport> {
  return bentStreams(sound, (streams) => ({
    publish: (message, options) => streams.publish(change(message), options),
    publisher(options) {
      const publisher = streams.publisher(options)
      return bentPublisher(publisher, {push: (message) => publisher.push(change(message))})
    },
  }))
}

export function bentPublisher(sound: StreamPublisher, changes: Partial<StreamPublisher>): StreamPublisher {
  return {
    push: (message) => sound.push(message),
    flush: () => sound.flush(),
    get acknowledged() {
      return sound.acknowledged
    },
    get duplicates() {
      return sound.duplicates
    },
    get last() {
      return sound.last
    },
    [Symbol.asyncDispose]: () => sound[Symbol.asyncDispose](),
    ...changes,
  }
}

/** A connection whose reads behave differently in some respect. */
export function bentReading(
  sound: Transport,
  change: (subscription: Subscription) => Partial<Subscription>,
): Partial<Transport> {
  return bentStreams(sound, (streams) => ({
    async read(stream, range) {
      const subscription = await streams.read(stream, range)
      return bent(subscription, change(subscription))
    },
  }))
}

/** A connection whose consumers behave differently in some respect. */
export function bentConsumers(
  sound: Transport,
  change: (consumers: Consumers) => Partial<Consumers>,
): Partial<Transport> {
  return bentStreams(sound, ({consumers}) => ({consumers: {...consumers, ...change(consumers)}}))
}

/** A connection whose members of consumers behave differently in some respect. */
export function bentMembers(sound: Transport, change: (member: Consuming) => Partial<Consuming>): Partial<Transport> {
  return bentConsumers(sound, (consumers) => ({
    async consume(stream, consumer, options) {
      const member = await consumers.consume(stream, consumer, options)
      return bentMember(member, change(member))
    },
  }))
}

/** A delivery from a member, with some properties changed. */
export function delivered(from: Consuming, delivery: Delivery, facts: {deliveries?: number} = {}): Delivery {
  const {stream, consumer, seq = 0, time, deliveries, pending} = delivery
  return new Delivery(from, {stream, consumer, seq, time, deliveries, pending, ...facts}, delivery)
}

function bentMember(sound: Consuming, changes: Partial<Consuming>): Consuming {
  const take = changes.take ?? ((max, waitMs) => sound.take(max, waitMs))
  const close = changes.close ?? (() => sound.close())
  const member: Consuming = {
    get ended() {
      return sound.ended
    },
    joined: sound.joined,
    finish: () => sound.finish(),
    get gaps() {
      return sound.gaps
    },
    ack: (delivery) => sound.ack(delivery),
    nak: (delivery, delayMs) => sound.nak(delivery, delayMs),
    term: (delivery, reason) => sound.term(delivery, reason),
    working: (delivery) => sound.working(delivery),
    flush: () => sound.flush(),
    ...changes,
    take: async (max, waitMs) => (await take(max, waitMs)).map((delivery) => delivered(member, delivery)),
    close,
    [Symbol.asyncDispose]: close,
  }
  return member
}
