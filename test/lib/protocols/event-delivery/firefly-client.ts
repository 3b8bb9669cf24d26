/**
 * An application of the SDK of Hyperledger FireFly: `node firefly-client.ts PACKAGE URL TOKEN MS`. It writes a line for each
 * event of the subscription `app` and works on it for this long. At a line on stdin it drops its connection, and the SDK
 * reconnects.
 */
const [name = '', host = '', token = '', ms = '0'] = process.argv.slice(2)

interface Event {
  readonly type: string
  readonly sequence?: number
}

interface Listening {
  socket?: {terminate(): void}
  close(): void
}

interface Sdk {
  listen(name: string, callback: (socket: unknown, event: Event) => Promise<void>): Listening
}

// The SDK acknowledges while it is not connected, and does not handle the failure.
process.on('unhandledRejection', () => undefined)
const {default: FireFly} = (await import(name)).default as {default: new (options: unknown) => Sdk}
const login = token === '' ? {} : {username: 'app', password: token}
const sdk = new FireFly({host, namespace: 'ORDERS', websocket: {reconnectDelay: 20, heartbeatInterval: 5000}, ...login})
const listening = sdk.listen('app', async (_socket, {type, sequence}) => {
  console.log(`event ${sequence ?? type}`)
  await new Promise((resolve) => setTimeout(resolve, Number(ms)))
})
process.stdin.on('data', () => listening.socket?.terminate()).on('end', () => process.exit())
