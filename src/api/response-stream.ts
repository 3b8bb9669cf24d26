/** Many replies to one request until it is closed, by the protocol of bacalhau's response streams, in both its forms. */
export {StreamClient, type StreamClientOptions, type StreamOptions} from '../lib/response-stream/client.ts'
export {type Close, closeCodes, closeName, closeText} from '../lib/response-stream/closing.ts'
export type {Dialect} from '../lib/response-stream/dialects.ts'
export type {PresenceOptions} from '../lib/response-stream/presence.ts'
export {type BufferOptions, ResponseStream} from '../lib/response-stream/response-stream.ts'
export {
  type Producer,
  type Streamed,
  type StreamService,
  type StreamsServed,
  serveStreams,
} from '../lib/response-stream/serve.ts'
export {StreamWriter} from '../lib/response-stream/writer.ts'
