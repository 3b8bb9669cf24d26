/** What one client of a measurement does; plain data, so that it can be sent to another process. */
export interface Job {
  readonly role: Role
  /** The role of the clients that a `serve` client answers. */
  readonly callers?: Role | undefined
  readonly subject: string
  /** Number of subjects, `SUBJECT.1` and up; with 1 it is SUBJECT itself. */
  readonly subjects: number
  /** Messages, requests or response streams of this client; unlimited if absent. */
  readonly count?: number | undefined
  /** Milliseconds after which it ends. */
  readonly forMs?: number | undefined
  /** Bytes of a payload. */
  readonly size: number
  /** The payload begins with the time at which it was due; see `payload.ts`. */
  readonly stamped: boolean
  /** Per second: each is sent when due, regardless of earlier ones. As fast as possible if absent. */
  readonly rate?: number | undefined
  /** Messages published or taken at a time. */
  readonly batch: number
  /** How many requests, response streams or unacknowledged messages may be in flight. */
  readonly window: number
  /** Publish with acknowledgement by a stream. */
  readonly ack: boolean
  /** Timeout of each request. */
  readonly timeoutMs: number
  /** The stream to replay. */
  readonly stream?: string | undefined
  readonly durable?: string | undefined
  /** Frames per response stream that is served. */
  readonly frames: number
}

export type Role = 'pub' | 'sub' | 'req' | 'serve' | 'replay' | 'open' | 'rpc'

/** The subject of a message by its index. */
export function subjectAt({subject, subjects}: Job, index: number): string {
  return subjects === 1 ? subject : `${subject}.${(index % subjects) + 1}`
}

/** Patterns that cover all subjects of a job. */
export function patternsOf({subject, subjects}: Job, wildcards: boolean): readonly string[] {
  if (subjects === 1) return [subject]
  return wildcards ? [`${subject}.*`] : Array.from({length: subjects}, (_, i) => `${subject}.${i + 1}`)
}
