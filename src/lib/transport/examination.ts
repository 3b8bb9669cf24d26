/** The result of examining a bus for problems: more than `facts`, and it may take a while. */

/** Properties that do not apply are absent. */
export interface Examination {
  /** Milliseconds by which the clock of the bus is ahead of ours; negative if it is behind. */
  readonly clockAheadMs?: number | undefined
  /** The user as known to the server, if it reports that. */
  readonly login?: LoginFacts | undefined
  readonly tls?: TlsFacts | undefined
  /** Features that the server lacks, each with the version that introduced it. */
  readonly lacks?: readonly string[] | undefined
  readonly file?: FileFacts | undefined
}

/** The user and account of the connection. */
export interface LoginFacts {
  readonly user?: string | undefined
  readonly account?: string | undefined
  /** Milliseconds until the login expires. */
  readonly expiresInMs?: number | undefined
}

/** Encryption of a connection. */
export interface TlsFacts {
  /** `TLSv1.3` */
  readonly protocol: string
  readonly cipher: string
  /** The subject and the issuer of the server's certificate. */
  readonly subject: string
  readonly issuer: string
  /** The end of its validity, in Unix milliseconds. */
  readonly validTo: number
  /** Why it would be refused without --insecure. */
  readonly distrust?: string | undefined
}

/** The state of a bus file. Sizes are bytes. */
export interface FileFacts {
  readonly path: string
  /** As in `PRAGMA user_version`: 1000 times the major number plus the minor. */
  readonly version: number
  readonly bytes: number
  readonly freeBytes: number
  /**
   * Messages in no stream, with the bytes of their payloads and headers: publishers remove them an hour after they were
   * published. Absent if the file is damaged.
   */
  readonly reclaimable?: {readonly messages: number; readonly bytes: number} | undefined
  readonly walBytes: number
  /** Bytes in the WAL that are not yet in the file; absent if the file is open read-only and this is unknown. */
  readonly unwrittenBytes?: number | undefined
  /** Open read-only. */
  readonly isReadOnly: boolean
  /** Processes that have the file open, if the system reports them. */
  readonly holders: readonly Holder[]
  /** The findings of `quick_check`; empty if the file is intact. */
  readonly damage: readonly string[]
  readonly clients: readonly ClientFacts[]
  /** Clients that ended without unsubscribing. */
  readonly deadClients: number
  /** Files and folders that others can read or write, or that are symbolic links. */
  readonly exposed: readonly Exposed[]
}

/** A process and its command line. */
export interface Holder {
  readonly pid: number
  readonly command: string
}

/** A live client and its subscriptions. */
export interface ClientFacts {
  readonly pid: number
  readonly name?: string | undefined
  readonly interests: readonly {readonly pattern: string; readonly queue?: string | undefined}[]
}

/** A path with a problem. */
export interface Exposed {
  readonly path: string
  readonly problem: 'open to others' | 'a symbolic link'
}
