import {expect} from 'vitest'
import {failureSubjects, readFailure} from '../../../src/lib/transport/shared/advisories.ts'
import type {Case} from '../case.ts'
import {numbers, texts} from '../scene.ts'
import {busWithConsumer, consume, infoOf, takeAll} from './members.ts'

export const failing: readonly Case[] = [
  {
    name: 'an advisory is published for each message that reached the limit of deliveries or was terminated',
    needs: {streams: true},
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(3), {ackWaitMs: 100, maxDeliver: 1})
      await using heard = await bus.subscribe(failureSubjects('A', 'c'))
      await using member = await consume(bus)
      const [first, second, third] = await takeAll(scene, member, 3)
      second?.term('spoiled')
      third?.ack()
      await member.flush()
      const found = []
      for (let tries = 0; found.length < 2 && tries < 10; tries++) {
        // A server looks for messages whose time is over when it is asked for more.
        await member.take(1, 50)
        found.push(...(await scene.within(heard.take(2), 'an advisory')))
      }
      const failures = found.map(readFailure).sort((one, other) => (one?.seq ?? 0) - (other?.seq ?? 0))
      const place = {stream: 'A', consumer: 'c', deliveries: 1}
      expect(failures).toEqual([
        {...place, seq: first?.seq, reason: 'max deliver'},
        {...place, seq: second?.seq, reason: 'spoiled'},
      ])
    },
  },
  {
    name: 'failed messages are listed with their reasons, until they are forgotten',
    needs: {streams: true, failures: true},
    async run(scene) {
      const [bus, other] = [
        await busWithConsumer(scene, numbers(4), {ackWaitMs: 100, maxDeliver: 1}),
        await scene.connect(),
      ]
      const {consumers} = other.streams
      expect(await consumers.failures('A', 'c', 0)).toEqual([])
      await using member = await consume(bus)
      const [first, second, third, fourth] = await takeAll(scene, member, 4)
      second?.term('spoiled')
      third?.term()
      fourth?.ack()
      await member.flush()
      await scene.eventually(async () => expect(await consumers.failures('A', 'c', 0)).toHaveLength(3))
      const all = await consumers.failures('A', 'c', 0)
      expect(all.map(({seq, deliveries, reason, isThere}) => [seq, deliveries, reason, isThere])).toEqual([
        [first?.seq, 1, 'max deliver', true],
        [second?.seq, 1, 'spoiled', true],
        [third?.seq, 1, 'terminated', true],
      ])
      expect(texts(all.flatMap(({message}) => message ?? []))).toEqual(['1', '2', '3'])
      expect(await consumers.failures('A', 'c', second?.seq ?? 0)).toMatchObject([{seq: third?.seq}])
      expect(await infoOf(bus)).toMatchObject({givenUp: 1})
      await consumers.forget('A', 'c', [first?.seq ?? 0, second?.seq ?? 0])
      expect(await bus.streams.consumers.failures('A', 'c', 0)).toMatchObject([{seq: third?.seq}])
      expect((await infoOf(bus)).givenUp).toBeUndefined()
    },
  },
  {
    name: 'a bus keeps a copy of a failed message that is no longer in the stream',
    needs: {streams: true, failures: true},
    async run(scene) {
      const bus = await busWithConsumer(scene, numbers(1))
      await using member = await consume(bus)
      const [first] = await takeAll(scene, member, 1)
      first?.term()
      await member.flush()
      await bus.streams.purge('A')
      const [failed] = await bus.streams.consumers.failures('A', 'c', 0)
      expect(failed).toMatchObject({isThere: false, message: {text: '1', subject: 'a.x'}})
    },
  },
  {
    name: 'without a list of failed messages, asking for it is refused',
    needs: {streams: true, failures: false},
    async run(scene) {
      const bus = await busWithConsumer(scene, [])
      await expect(bus.streams.consumers.failures('A', 'c', 0)).rejects.toMatchObject({kind: 'usage'})
      await expect(bus.streams.consumers.forget('A', 'c', [])).rejects.toMatchObject({kind: 'usage'})
    },
  },
]
