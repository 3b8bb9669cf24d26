import assert from 'node:assert/strict'
import {Messenger} from '../../../src/lib/protocols/messenger/messenger.ts'
import {MessengerError} from '../../../src/lib/protocols/messenger/messenger-error.ts'
import {openMemory} from '../../../src/lib/transport/memory/driver.ts'
import {partsOf, type Target} from '../target.ts'

const messenger = new Messenger(await openMemory('memory:fuzz'))
await messenger.serve('echo', (data) => data)
await messenger.serve('fail', (data) => {
  throw new Error(Buffer.from(data).toString())
})

/** A messenger has no envelope: payloads arrive unchanged, and an exception arrives as `error: …`. */
export const target: Target = {
  seeds: ['echo\nhello', 'fail\nit broke', 'a.b\n\0\x1b', 'error: x'],
  words: ['echo', 'fail', '\n', '>', '*', 'error: ', '\0'],
  async run(bytes) {
    const [subject = ''] = partsOf(bytes, 2)
    const told = await messenger.request('echo', bytes)
    assert.ok(Buffer.from(told).equals(bytes))
    const failed = Buffer.from(await messenger.request('fail', bytes)).toString()
    assert.equal(failed, `error: ${Buffer.from(bytes).toString()}`)
    for (const act of [() => messenger.publish(subject, bytes), () => messenger.stream(subject, () => undefined)]) {
      const stop = await act().catch((error: unknown) => assert.ok(error instanceof MessengerError))
      if (typeof stop === 'function') await stop()
    }
    if (subject === 'echo' || subject === 'fail') return
    await messenger
      .request(subject, bytes, {timeoutMs: 50})
      .catch((error: unknown) => assert.ok(error instanceof MessengerError))
  },
}
