/** What a bus tells of itself to who looks for something wrong: more than `facts`, and it may take a while. */

/** What makes no sense for a bus is absent. */
export interface Examination {
  /** Milliseconds that the clock of the bus is ahead of ours; negative when behind. */
  readonly clockAheadMs?: number | undefined
  /** Who one is to the server, where it tells. */
  readonly login?: LoginFacts | undefined
  readonly tls?: TlsFacts | undefined
  /** What the server cannot do, each with the version that it came with. */
  readonly lacks?: readonly string[] | undefined
  readonly file?: FileFacts | undefined
}

/** As whom the server knows the connection. */
export interface LoginFacts {
  readonly user?: string | undefined
  readonly account?: string | undefined
  /** Milliseconds until the login is over. */
  readonly expiresInMs?: number | undefined
}

/** How a connection is encrypted. */
export interface TlsFacts {
  /** `TLSv1.3` */
  readonly protocol: string
  readonly cipher: string
  /** Whom the server's certificate names, and who vouches for it. */
  readonly subject: string
  readonly issuer: string
  /** Its last moment, in Unix milliseconds. */
  readonly validTo: number
  /** Why it would not be taken if any were not. */
  readonly distrust?: string | undefined
}

/** How a bus file is. Sizes are bytes. */
export interface FileFacts {
  readonly path: string
  /** As `PRAGMA user_version`: 1000 times the major number and the minor. */
  readonly version: number
  readonly bytes: number
  readonly freeBytes: number
  readonly walBytes: number
  /** What is in the WAL and not yet in the file. */
  readonly unwrittenBytes: number
  /** Processes that have the file open, where the system tells. */
  readonly holders: readonly Holder[]
  /** What `quick_check` found; none when it is whole. */
  readonly damage: readonly string[]
  readonly clients: readonly ClientFacts[]
  /** Clients that are gone without having said so. */
  readonly deadClients: number
  /** Files and folders that others may read or write, or that are symbolic links. */
  readonly exposed: readonly Exposed[]
}

/** A process and its command line. */
export interface Holder {
  readonly pid: number
  readonly command: string
}

/** A live client and what it listens to. */
export interface ClientFacts {
  readonly pid: number
  readonly name?: string | undefined
  readonly interests: readonly {readonly pattern: string; readonly queue?: string | undefined}[]
}

/** A path that is not as it should be. */
export interface Exposed {
  readonly path: string
  readonly problem: 'open to others' | 'a symbolic link'
}
