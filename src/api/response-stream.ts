/** Many replies to one request until the server closes the response stream, in both versions of bacalhau's protocol. */
export {StreamClient, type StreamClientOptions, type StreamOptions} from '../lib/protocols/response-streams/client.ts'
export {CloseError} from '../lib/protocols/response-streams/close-error.ts'
export {type Close, closeCodes, closeName, closeText} from '../lib/protocols/response-streams/close-reasons.ts'
export type {Dialect} from '../lib/protocols/response-streams/dialects.ts'
export {
  decodeFrame,
  encodeClose,
  encodeData,
  type Frame,
  type StreamingMsg,
  streamingMsgTypes,
} from '../lib/protocols/response-streams/frames.ts'
export type {PresenceOptions} from '../lib/protocols/response-streams/presence.ts'
export {type BufferOptions, ResponseStream, requestChanLen} from '../lib/protocols/response-streams/response-stream.ts'
export {
  type Producer,
  type Streamed,
  type StreamService,
  type StreamsServed,
  serveStreams,
} from '../lib/protocols/response-streams/serve.ts'
export {StreamWriter} from '../lib/protocols/response-streams/writer.ts'
