/** Stored messages by JetStream, over the connection's own requests and inbox: no second connection, no client of its kind. */
import type {Streams} from '../../streams-contract.ts'
import {catalogue} from './catalogue.ts'
import {consumers} from './consumers.ts'
import {read} from './open-reading.ts'
import {publish} from './publish.ts'
import {NatsStreamPublisher} from './publisher.ts'
import type {Line} from './session.ts'

export function natsStreams(line: Line): Streams {
  return {
    ...catalogue(line),
    publish: (message, {timeoutMs} = {}) => publish(line, message, timeoutMs),
    publisher: (options = {}) => new NatsStreamPublisher(line, options),
    read: (stream, range) => read(line, stream, range),
    consumers: consumers(line),
  }
}
