/** A service that answers with many frames, and a client that reads them until the response stream is closed. */
import {StreamClient, serveStreams} from 'busline/response-stream'
import {open} from 'busline/transport'

const [, , url = 'memory:example'] = process.argv
await using bus = await open(url)
const stop = new AbortController()
let isLive = () => {}
const live = new Promise<void>((resolve) => {
  isLive = resolve
})
const served = serveStreams(bus, {
  subject: 'countdown',
  concurrency: 10,
  signal: stop.signal,
  onLive: isLive,
  async producer(request, writer) {
    for (let n = Number(request.text); n > 0; n--) writer.write(String(n))
    return {code: 1000, text: ''}
  },
})
await live

await using client = new StreamClient(bus)
for await (const frame of await client.open('countdown', '3')) console.log(frame.text)
stop.abort()
console.log(`${(await served).streams} response stream served`)

// Prints:
// 3
// 2
// 1
// 1 response stream served
