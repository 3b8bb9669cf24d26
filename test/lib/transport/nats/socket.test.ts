import {expect, test} from 'vitest'
import {NatsSocket} from '../../../../src/lib/transport/nats/socket.ts'

/** A socket that receives the text that a test passes to `give`. */
class GivenSocket extends NatsSocket {
  give(text: string): void {
    this.received(Buffer.from(text))
  }
  async connect(): Promise<void> {}
  send(): void {}
  isEncrypted(): boolean {
    return false
  }
  get unsentBytes(): number {
    return 0
  }
  protected destroy(): void {}
  protected stopReading(): void {}
  protected startReading(): void {}
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A socket that is being read, and the frames that arrived, in order. */
function read() {
  const socket = new GivenSocket()
  const seen: string[] = []
  const take = (frame: Uint8Array) => void seen.push(Buffer.from(frame).toString())
  const ended = (async () => {
    for await (const frame of socket) take(frame)
  })()
  return {socket, seen, take, ended}
}

test('frames before and after `deliverTo` arrive in order', async () => {
  const {socket, seen, take} = read()
  socket.give('1')
  socket.give('2')
  socket.deliverTo(take)
  socket.give('3')
  await turn()
  socket.give('4')
  expect(seen).toEqual(['1', '2', '3', '4'])
})

test('nothing is delivered during a pause, and everything in order after it', async () => {
  const {socket, seen, take} = read()
  socket.deliverTo(take)
  await turn()
  socket.give('1')
  socket.pause()
  socket.give('2')
  socket.give('3')
  await turn()
  expect(seen).toEqual(['1'])
  socket.resume()
  socket.give('4')
  await turn()
  socket.give('5')
  expect(seen).toEqual(['1', '2', '3', '4', '5'])
})

test('a frame that is larger than a piece is delivered in pieces, in order', async () => {
  const {socket, seen, take} = read()
  socket.deliverTo(take)
  await turn()
  const large = 'x'.repeat(100_000)
  socket.give(large)
  socket.give('end')
  await turn()
  expect(seen.length).toBe(3)
  expect(seen.join('')).toBe(`${large}end`)
})

test('nothing is delivered once the socket is discarded', async () => {
  const {socket, seen, take, ended} = read()
  socket.deliverTo(take)
  await turn()
  socket.discard()
  socket.give('1')
  await ended
  expect(seen).toEqual([])
})
