/** Snapshots for the memory driver, which has none: enough that the cases about snapshots pass, and fail once a fault is added. */
import {BusError} from '../../src/lib/core/errors.ts'
import {Message} from '../../src/lib/core/message.ts'
import type {SnapshotHead, Snapshots, Transport} from '../../src/lib/transport/contract.ts'
import type {ConsumerInfo, StreamSettings} from '../../src/lib/transport/streams-contract.ts'

interface Saved {
  readonly messages: readonly Pick<Message, 'seq' | 'time' | 'subject' | 'text' | 'headers'>[]
  readonly consumers: readonly ConsumerInfo[]
}

/** The times of restored messages, by stream and sequence. */
function timesOf(memory: Map<string, unknown>): Map<string, number> {
  const times = (memory.get('times') ?? new Map()) as Map<string, number>
  memory.set('times', times)
  return times
}

export function withSnapshots(
  sound: Transport,
  memory: Map<string, unknown>,
): {snapshots: Snapshots; streams: Transport['streams']} {
  const times = timesOf(memory)
  const read: Transport['streams']['read'] = async (stream, range) => {
    const reading = await sound.streams.read(stream, range)
    if (times.size === 0) return reading
    const take = reading.take.bind(reading)
    const dated = ({subject, payload, headers, reply, seq, time}: Message) =>
      new Message(subject, payload, headers, reply, seq, times.get(`${stream} ${seq}`) ?? time)
    return Object.assign(reading, {take: async (max: number) => (await take(max)).map(dated)})
  }
  const snapshots: Snapshots = {
    async take(stream) {
      const {config, state} = await sound.streams.info(stream)
      const messages: Message[] = []
      for await (const message of await read(stream)) messages.push(message)
      const saved: Saved = {
        messages: messages.map(({seq, time, subject, text, headers}) => ({seq, time, subject, text, headers})),
        consumers: await sound.streams.consumers.list(stream),
      }
      return {
        head: {config, state},
        chunks: (async function* () {
          yield Buffer.from(JSON.stringify(saved))
        })(),
      }
    },
    async restore(head, chunks) {
      const pieces: Uint8Array[] = []
      for await (const piece of chunks) pieces.push(piece)
      return await restoreSaved(sound, head, Buffer.concat(pieces).toString(), times)
    },
  }
  return {snapshots, streams: {...sound.streams, read}}
}

async function restoreSaved({streams}: Transport, head: SnapshotHead, text: string, times: Map<string, number>) {
  const settings = head.config as StreamSettings
  const {name} = settings
  if ((await streams.list()).some(({config}) => config.name === name))
    throw new BusError('usage', `there is a stream ${name}`)
  if (!text.startsWith('{')) throw new BusError('remote', 'the snapshot is not valid')
  const {messages, consumers} = JSON.parse(text) as Saved
  await streams.add(settings)
  const {lastSeq} = head.state as {lastSeq: number}
  for (let seq = 1; seq <= lastSeq; seq++) {
    const saved = messages.find((message) => message.seq === seq)
    await streams.publish({subject: saved?.subject ?? 's.x', data: saved?.text ?? '', headers: saved?.headers ?? []})
    if (saved === undefined) await streams.erase(name, seq)
    else times.set(`${name} ${seq}`, saved.time)
  }
  for (const {config, ackFloor} of consumers)
    await streams.consumers.add(name, {...config, deliver: {seq: ackFloor + 1}})
  return await streams.info(name)
}
