import {Message, type Outgoing} from '../../../src/lib/core/message.ts'
import type {Transport} from '../../../src/lib/transport/contract.ts'
import {bentMessages, type Fault} from '../faulty.ts'

/** Publishes something other than what was given. */
function bentPublish(sound: Transport, change: (message: Outgoing) => Outgoing): Partial<Transport> {
  return {publish: (message) => sound.publish(change(message))}
}

function bytesOf(data: Outgoing['data']): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data) : (data ?? new Uint8Array())
}

function swallowing(sound: Transport, isSwallowed: (message: Outgoing) => boolean): Partial<Transport> {
  return {
    publish(message) {
      try {
        sound.publish(message)
      } catch (error) {
        if (!isSwallowed(message)) throw error
      }
    },
  }
}

/** Faults in what a message contains. */
export const messageFaults: readonly Fault[] = [
  {
    name: 'keeps one value per header name',
    fails: ['headers keep their order, their case and all their values'],
    bend: (sound) => bentPublish(sound, (m) => ({...m, headers: m.headers && [...new Map(m.headers)]})),
  },
  {
    name: 'writes header names in lower case',
    fails: ['headers keep their order, their case and all their values'],
    bend: (sound) =>
      bentPublish(sound, (m) => ({...m, headers: m.headers?.map(([name, value]) => [name.toLowerCase(), value])})),
  },
  {
    name: 'sorts headers by name',
    fails: ['headers of one name need not be adjacent'],
    bend: (sound) =>
      bentPublish(sound, (m) => ({
        ...m,
        headers: m.headers && [...m.headers].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
      })),
  },
  {
    name: 'writes "null" for an empty payload',
    fails: ['an empty payload is empty'],
    bend: (sound) => bentPublish(sound, (m) => (m.data?.length ? m : {...m, data: 'null'})),
  },
  {
    name: 'treats bytes as text',
    fails: ['every byte arrives unchanged', 'a payload of 1 MiB arrives completely'],
    bend: (sound) => bentPublish(sound, (m) => ({...m, data: Buffer.from(bytesOf(m.data)).toString()})),
  },
  {
    name: 'truncates a payload at NUL',
    fails: ['text arrives unchanged, whether it was published as text or as its bytes', 'every byte arrives unchanged'],
    bend: (sound) =>
      bentPublish(sound, (m) => {
        const data = bytesOf(m.data)
        return {...m, data: data.includes(0) ? data.subarray(0, data.indexOf(0)) : data}
      }),
  },
  {
    name: 'truncates a payload at 64 KiB',
    fails: ['a payload of 1 MiB arrives completely'],
    bend: (sound) => bentPublish(sound, (m) => ({...m, data: m.data?.slice(0, 65_536)})),
  },
  {
    name: 'reads numbers in texts as numbers',
    fails: ['text arrives unchanged, whether it was published as text or as its bytes'],
    bend: (sound) =>
      bentPublish(sound, (m) => (typeof m.data === 'string' && +m.data > 0 ? {...m, data: String(+m.data)} : m)),
  },
  {
    name: 'accepts a text that exceeds the limit',
    fails: ['a payload that exceeds the limit in bytes is refused, and no other'],
    bend: (sound) => swallowing(sound, (message) => (message.data?.length ?? 0) > 1000),
  },
  {
    name: 'ignores messages that it refuses, without an error',
    fails: [
      'an invalid subject to publish to is refused immediately, and nothing is sent',
      'an invalid header is refused immediately, and nothing is sent',
    ],
    bend: (sound) => swallowing(sound, () => true),
  },
  {
    name: 'loses the reply subject',
    fails: ['a reply subject arrives, and is absent if there was none'],
    bend: (sound) => bentPublish(sound, ({reply, ...rest}) => rest),
  },
  {
    name: 'returns the time in seconds',
    fails: ['a message has the time of its publication or arrival, in milliseconds'],
    bend: (sound) =>
      bentMessages(sound, (messages) =>
        messages.map((m) => new Message(m.subject, m.payload, m.headers, m.reply, m.seq, m.time / 1000)),
      ),
  },
  {
    name: 'writes subjects in lower case',
    fails: ['a subject gets the messages published to exactly this subject'],
    bend: (sound) => bentPublish(sound, (m) => ({...m, subject: m.subject.toLowerCase()})),
  },
  {
    name: 'reads numbers in subjects as numbers',
    fails: ['unusual but valid subjects arrive unchanged'],
    bend: (sound) => bentPublish(sound, (m) => (+m.subject > 0 ? {...m, subject: String(+m.subject)} : m)),
  },
]
