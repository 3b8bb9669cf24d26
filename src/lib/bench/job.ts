/** What one client of a measurement does; plain data, so that it can be handed to another process. */
export interface Job {
  readonly role: Role
  /** Of one that serves: who asks it. */
  readonly asks?: Role | undefined
  readonly subject: string
  /** So many subjects, `SUBJECT.1` and on; 1 is the subject itself. */
  readonly subjects: number
  /** Messages, requests or streams of this client; absent is as many as come. */
  readonly count?: number | undefined
  /** Milliseconds after which it ends. */
  readonly forMs?: number | undefined
  /** Bytes of a payload. */
  readonly size: number
  /** The payload begins with the time at which it should have been sent; see `stamp.ts`. */
  readonly stamped: boolean
  /** A second: sent when due, whatever became of those before. Absent is as fast as it goes. */
  readonly rate?: number | undefined
  /** Messages that are handed over at a time. */
  readonly batch: number
  /** How many may be under way: requests, streams, messages without acknowledgement. */
  readonly window: number
  /** Publish with acknowledgement by a stream. */
  readonly ack: boolean
  /** Milliseconds for each request. */
  readonly timeoutMs: number
  /** What is replayed. */
  readonly stream?: string | undefined
  readonly durable?: string | undefined
  /** Frames of each response stream that is served. */
  readonly frames: number
}

export type Role = 'pub' | 'sub' | 'req' | 'serve' | 'replay' | 'open' | 'rpc'

/** The subject of a message by its number, from 0. */
export function subjectOf({subject, subjects}: Job, index: number): string {
  return subjects === 1 ? subject : `${subject}.${(index % subjects) + 1}`
}

/** What to listen to for all of them. */
export function patternsOf({subject, subjects}: Job, wildcards: boolean): readonly string[] {
  if (subjects === 1) return [subject]
  return wildcards ? [`${subject}.*`] : Array.from({length: subjects}, (_, i) => `${subject}.${i + 1}`)
}
