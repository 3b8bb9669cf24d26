import type {Target} from './target.ts'

/** Every target by name, loaded when it is used, so that their coverage is separate. */
export const targets: Readonly<Record<string, () => Promise<{readonly target: Target}>>> = {
  buckets: () => import('./targets/buckets.ts'),
  'bus-file': () => import('./targets/bus-file.ts'),
  check: () => import('./targets/check.ts'),
  context: () => import('./targets/context.ts'),
  'expression-limits': () => import('./targets/expression-limits.ts'),
  format: () => import('./targets/format.ts'),
  headers: () => import('./targets/headers.ts'),
  jetstream: () => import('./targets/jetstream.ts'),
  jsonata: () => import('./targets/jsonata.ts'),
  libbus: () => import('./targets/libbus.ts'),
  messenger: () => import('./targets/messenger.ts'),
  'nats-server': () => import('./targets/nats-server.ts'),
  position: () => import('./targets/position.ts'),
  record: () => import('./targets/record.ts'),
  registry: () => import('./targets/registry.ts'),
  regex: () => import('./targets/regex.ts'),
  'response-stream': () => import('./targets/response-stream.ts'),
  rpc: () => import('./targets/rpc.ts'),
  subject: () => import('./targets/subject.ts'),
  url: () => import('./targets/url.ts'),
  view: () => import('./targets/view.ts'),
  websocket: () => import('./targets/websocket.ts'),
}
