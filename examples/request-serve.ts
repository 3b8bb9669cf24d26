/** A service and its client, with the five operations of a messenger and their errors. */
import {MessengerError, openMessenger} from 'busline/messenger'

const [, , url = 'memory:example'] = process.argv
await using messenger = await openMessenger(url, {timeoutMs: 2000})

await messenger.serve('text.upper', (data) => Buffer.from(data).toString().toUpperCase())
const reply = await messenger.request('text.upper', 'hello')
console.log(Buffer.from(reply).toString())

try {
  await messenger.request('nobody.here', '')
} catch (error) {
  if (!(error instanceof MessengerError)) throw error
  console.log(error.code)
}

// Prints:
// HELLO
// noResponders
