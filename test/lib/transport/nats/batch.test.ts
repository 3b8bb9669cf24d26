import {describe, expect, it} from 'vitest'
import type {Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {startStreams} from './streams.ts'

const both = [{subject: 'a.x'}, {subject: 'a.y'}]

/** Adds a stream that accepts batches; false on a server before 2.12. */
async function isAdded({streams}: Transport): Promise<boolean> {
  try {
    await streams.add({name: 'A', subjects: ['a.*'], allowAtomic: true})
    return true
  } catch (error) {
    expect(error).toMatchObject({message: expect.stringContaining('needs 2.12')})
    return false
  }
}

describe('an atomic batch', () => {
  it('is stored for a login that may not ask which stream stores it, or refused by the server', async () => {
    await using server = await startStreams(`accounts: {
      A: {jetstream: enabled, users: [
        {user: all, password: p},
        {user: few, password: p, permissions: {publish: {deny: ["$JS.API.>"]}}},
        {user: less, password: p, permissions: {publish: {deny: ["$JS.API.>", "a.y"]}}}]}}`)
    await using all = await open(server.url({login: 'all:p'}))
    await using few = await open(server.url({login: 'few:p'}))
    await using less = await open(server.url({login: 'less:p'}))
    if (!(await isAdded(all))) return
    await all.streams.update('A', {allowAtomic: false})
    await expect(few.streams.publishBatch(both)).rejects.toMatchObject({kind: 'usage', data: {code: 10174}})
    await all.streams.update('A', {allowAtomic: true})
    await expect(less.streams.publishBatch(both)).rejects.toMatchObject({kind: 'denied', data: {index: 1}})
    expect((await all.streams.info('A')).state.messages).toBe(0)
    expect(await few.streams.publishBatch(both)).toEqual({stream: 'A', seq: 2, count: 2})
  })

  it('was not sent if the server did not say which stream stores it', async () => {
    await using server = await startStreams()
    await using bus = await open(server.url(), {timeoutMs: 300})
    if (!(await isAdded(bus))) return
    server.signal('SIGSTOP')
    const failure = await bus.streams.publishBatch(both).catch((error: unknown) => error)
    server.signal('SIGCONT')
    expect(failure).toMatchObject({kind: 'timeout', data: {written: false}})
    expect((await bus.streams.info('A')).state.messages).toBe(0)
  })
})
