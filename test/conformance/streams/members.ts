import type {Transport} from '../../../src/lib/transport/contract.ts'
import type {
  ConsumeOptions,
  ConsumerInfo,
  ConsumerSettings,
  Consuming,
  Delivery,
} from '../../../src/lib/transport/streams-contract.ts'
import type {Scene} from '../scene.ts'
import {store} from './storage.ts'

/** The stream `A` on `a.*` with these texts on `a.x`, and its consumer `c`. */
export async function busWithConsumer(
  scene: Scene,
  payloads: readonly string[],
  settings: Omit<ConsumerSettings, 'name'> = {},
): Promise<Transport> {
  const bus = await scene.connect()
  await bus.streams.add({name: 'A', subjects: ['a.*']})
  await bus.streams.consumers.add('A', {name: 'c', ...settings})
  await store(bus, 'a.x', payloads)
  return bus
}

export function consume(bus: Transport, options?: ConsumeOptions): Promise<Consuming> {
  return bus.streams.consumers.consume('A', 'c', options)
}

export function infoOf(bus: Transport): Promise<ConsumerInfo> {
  return bus.streams.consumers.info('A', 'c')
}

/** The next `count` deliveries. */
export async function takeAll(scene: Scene, member: Consuming, count: number): Promise<Delivery[]> {
  const taken: Delivery[] = []
  while (taken.length < count) {
    const missing = count - taken.length
    const more = await scene.within(member.take(missing), `delivery ${taken.length + 1} of ${count}`)
    if (more.length === 0) throw new Error(`the consumer ended after ${taken.length} of ${count} deliveries`)
    if (more.length > missing) throw new Error(`${more.length} deliveries came where ${missing} were asked for`)
    taken.push(...more)
  }
  return taken
}

/** The messages that arrive until none arrives for `waitMs`, acknowledged. */
export async function restOf(scene: Scene, member: Consuming, waitMs = 60): Promise<Delivery[]> {
  const taken: Delivery[] = []
  for (;;) {
    const more = await scene.within(member.take(100, waitMs), 'end of the wait')
    if (more.length === 0) return taken
    for (const delivery of more) delivery.ack()
    taken.push(...more)
  }
}

export function ackAll(deliveries: readonly Delivery[]): void {
  for (const delivery of deliveries) delivery.ack()
}
