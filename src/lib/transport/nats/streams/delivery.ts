import {noHeaders} from '../../../core/message.ts'
import {type Consuming, Delivery} from '../../streams-contract.ts'
import {parseHeaders} from '../headers.ts'
import type {Sink} from '../protocol.ts'
import {subjectReader} from '../subscription.ts'
import {AckSubject} from './ack-subject.ts'

/** A delivery, and the subject to which the server wants it acknowledged. */
export class NatsDelivery extends Delivery {
  readonly ackSubject: Uint8Array

  constructor(ackSubject: Uint8Array, ...rest: ConstructorParameters<typeof Delivery>) {
    super(...rest)
    this.ackSubject = ackSubject
  }
}

/** Makes deliveries of what comes off the wire; undefined for what is none. */
export function deliveryReader(
  from: Consuming,
  stream: string,
  consumer: string,
): (...args: Parameters<Sink>) => NatsDelivery | undefined {
  const subjectOf = subjectReader()
  const ack = new AckSubject()
  return ({subject, reply, hdr}, data) => {
    if (reply === undefined || !ack.read(reply)) return undefined
    const {seq, time, deliveries, pending} = ack
    const place = {stream, consumer, seq, time, deliveries, pending}
    const headers = hdr < 0 ? noHeaders : parseHeaders(data.subarray(0, hdr))
    return new NatsDelivery(reply, from, place, subjectOf(subject), hdr < 0 ? data : data.subarray(hdr), headers)
  }
}
