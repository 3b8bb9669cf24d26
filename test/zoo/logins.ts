/** Logins that may do little, and accounts that reach the streams of another one. */
import type {NatsServer} from '../nats-server.ts'

export interface Login {
  readonly name: string
  /** One sentence. */
  readonly about: string
  readonly user: string
}

export const logins: readonly Login[] = [
  {name: 'consumer', about: 'A login that may take from one consumer, and nothing else.', user: 'consumer'},
  {name: 'reader', about: 'A login that may only read streams, and create no consumers.', user: 'reader'},
  {name: 'without acknowledgements', about: 'A login that may do everything but acknowledge.', user: 'mute'},
  {name: 'publisher', about: 'A login that may publish, but not use the API.', user: 'publisher'},
  {name: 'without JetStream', about: 'A login whose account has no JetStream.', user: 'none'},
  {name: 'importer', about: 'A login whose account imports the API of another account.', user: 'importer'},
  {
    name: 'importer under a prefix',
    about: 'A login whose account imports the API of another account under a prefix.',
    user: 'prefixed',
  },
]

const mayInbox = 'subscribe: {allow: ["_INBOX.>"]}'

export const loginConfig = (folder: string) => `
  jetstream {store_dir: "${folder}"}
  accounts {
    ORIGIN {
      jetstream: enabled
      exports: [{service: "$JS.API.>", response_type: stream}, {service: "$JS.ACK.>"}, {stream: "deliver.>"}]
      users: [
        {user: owner, password: p}
        {user: consumer, password: p, permissions: {${mayInbox}, publish: {allow: ["$JS.API.CONSUMER.MSG.NEXT.ORDERS.c", "$JS.API.CONSUMER.INFO.ORDERS.c", "$JS.ACK.ORDERS.c.>"]}}}
        {user: reader, password: p, permissions: {${mayInbox}, publish: {allow: ["$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.>", "$JS.API.STREAM.MSG.GET.>", "$JS.API.CONSUMER.INFO.>", "$JS.API.CONSUMER.LIST.>"]}}}
        {user: mute, password: p, permissions: {publish: {deny: ["$JS.ACK.>"]}}}
        {user: publisher, password: p, permissions: {${mayInbox}, publish: {allow: ["orders.>"]}}}
      ]
    }
    NONE { users: [{user: none, password: p}] }
    IMPORTER {
      imports: [{service: {account: ORIGIN, subject: "$JS.API.>"}}, {service: {account: ORIGIN, subject: "$JS.ACK.>"}}]
      users: [{user: importer, password: p}]
    }
    PREFIXED {
      imports: [{service: {account: ORIGIN, subject: "$JS.API.>"}, to: "origin.API.>"}]
      users: [{user: prefixed, password: p}]
    }
  }`

export function urlOf(server: NatsServer, user: string): string {
  return server.url({login: `${user}:p`})
}

/** The stream ORDERS has the consumer c. */
export const loginLines: readonly string[] = [
  'bus stream ls',
  'bus stream info ORDERS',
  'bus stream subjects ORDERS',
  'bus stream get ORDERS 1',
  "bus sub 'orders.>' --from first --end",
  "bus sub 'orders.>' --from first --end --stream ORDERS",
  'bus consumer ls ORDERS',
  'bus consumer info ORDERS c',
  'bus consumer next ORDERS c --peek',
  'bus consumer next ORDERS c -t 2s',
  "bus sub 'orders.>' --durable c --stream ORDERS -n 1 --for 2s",
  'bus consumer replay ORDERS --from -1',
  'bus consumer replay ORDERS c',
  'bus consumer reset ORDERS c --to 2 --yes',
  'bus consumer add ORDERS d',
  'bus pub orders.a 4 --ack -t 2s',
  'bus stream purge ORDERS --keep 3 --yes',
  'bus stream add OTHER',
  'bus events add ORDERS billing',
  'bus who orders.a',
  'bus doctor',
]
