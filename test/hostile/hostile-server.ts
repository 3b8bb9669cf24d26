/** A server that violates the NATS protocol, over TCP or WebSocket. */
import {createServer as createHttpServer} from 'node:http'
import {type AddressInfo, createServer, type Server, type Socket} from 'node:net'
import {type WebSocket, WebSocketServer} from 'ws'

/** One client of the server. `send` ignores whether the client reads. */
export interface Client {
  send(data: string | Uint8Array): void
  /** Sends it again and again, as fast as the client accepts it. */
  flood(data: string | Uint8Array): void
  /** The socket; over WebSocket `ws`. */
  readonly socket: Socket | undefined
  readonly ws: WebSocket | undefined
}

export interface Behaviour {
  /** The first bytes; by default the INFO of an ordinary server. */
  readonly greeting?: string | undefined
  /** Called for each PING of a client; by default it is answered. */
  readonly onPing?: ((client: Client, count: number) => void) | undefined
  readonly onSubscribe?: ((client: Client, subject: string, sid: string) => void) | undefined
  readonly isWebSocket?: boolean | undefined
}

const info = {server_id: 'X', server_name: 'x', version: '2.11.0', proto: 1, headers: true, max_payload: 1048576}
export const infoLine = (changes: object = {}) => `INFO ${JSON.stringify({...info, ...changes})}\r\n`

export interface HostileServer extends AsyncDisposable {
  readonly url: string
  /** Clients that connected. */
  readonly connects: number
}

export async function hostileServer(behaviour: Behaviour): Promise<HostileServer> {
  const sockets = new Set<Socket>()
  let connects = 0
  const serve = (client: Client): ((data: Buffer) => void) => {
    connects++
    let rest = ''
    let pings = 0
    client.send(behaviour.greeting ?? infoLine())
    return (data) => {
      const lines = (rest + data.toString('latin1')).split('\r\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const [word, subject = '', ...more] = line.split(' ')
        if (word === 'PING') {
          if (behaviour.onPing === undefined) client.send('PONG\r\n')
          else behaviour.onPing(client, ++pings)
        } else if (word === 'SUB') behaviour.onSubscribe?.(client, subject, more.at(-1) ?? '')
      }
    }
  }
  const server: Server = behaviour.isWebSocket ? createHttpServer() : createServer()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => undefined))
    if (!behaviour.isWebSocket) socket.on('data', serve(clientOf(socket, undefined)))
  })
  if (behaviour.isWebSocket)
    new WebSocketServer({server: server as ReturnType<typeof createHttpServer>, perMessageDeflate: false}).on(
      'connection',
      (ws) => ws.on('error', () => undefined).on('message', serve(clientOf(undefined, ws))),
    )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `${behaviour.isWebSocket ? 'ws' : 'nats'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connects() {
      return connects
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function clientOf(socket: Socket | undefined, ws: WebSocket | undefined): Client {
  const isOpen = () => socket?.writable || ws?.readyState === 1
  return {
    socket,
    ws,
    send: (data) => (socket === undefined ? ws?.send(data) : socket.write(data)),
    flood(data) {
      const bytes = Buffer.concat(Array.from({length: Math.ceil(65_536 / data.length)}, () => Buffer.from(data)))
      const next = () => {
        if (!isOpen()) return
        if (socket === undefined) ws?.send(bytes, next)
        else if (socket.write(bytes)) setImmediate(next)
        else socket.once('drain', next)
      }
      next()
    },
  }
}
