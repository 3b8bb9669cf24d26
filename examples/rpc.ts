/** A method of a service, called by its name, and the error that it answers with. */
import {call, methodSubject, RpcError, register} from 'busline/rpc'
import {open} from 'busline/transport'

const [, , url = 'memory:example'] = process.argv
await using bus = await open(url)
const subject = methodSubject({service: 'math', instance: 'one', method: 'square'})
await using _square = await register(bus, subject, ({payload = 'null'}) => {
  const n: unknown = JSON.parse(payload)
  if (typeof n !== 'number') throw new Error('not a number')
  return JSON.stringify(n * n)
})

const request = {subject, method: 'square', callerId: 'example'}
console.log((await call(bus, {...request, payload: '12'})).payload)
try {
  await call(bus, {...request, payload: '"twelve"'})
} catch (error) {
  if (!(error instanceof RpcError)) throw error
  console.log(error.message)
}

// Prints:
// 144
// "loom.rpc.math.one.square" answered with an error: not a number
