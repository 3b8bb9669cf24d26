/** RPC methods over request and reply, in Loom's envelopes: call them, serve them, and find out which are served. */
export {type Answered, type Call, call, RpcError} from '../lib/protocols/loom-rpc/call.ts'
export {type DiscoverOptions, discover, type Found, instancesOf} from '../lib/protocols/loom-rpc/discover.ts'
export {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  err,
  ok,
  type RpcRequest,
  type RpcResponse,
} from '../lib/protocols/loom-rpc/envelope.ts'
export {
  defaultPrefix as rpcPrefix,
  type Method,
  parseSubject as parseMethod,
  subject as methodSubject,
  wildcardSubject as methodPattern,
} from '../lib/protocols/loom-rpc/names.ts'
export {type MethodHandler, type RegisterOptions, type Registration, register} from '../lib/protocols/loom-rpc/serve.ts'
