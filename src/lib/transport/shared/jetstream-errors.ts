/** The JetStream errors that busline recognises, assigns to a kind, or reports itself on a bus that implements streams. */
import {BusError, type FailureKind} from '../../core/errors.ts'

export interface JetStreamError {
  /** JetStream's `err_code`. */
  readonly code: number
  /** The kind of failure, `remote` by default; `passing` means that the server accepts the same request a moment later. */
  readonly kind?: FailureKind | 'passing'
  /** The server's description, for buses that implement streams. */
  readonly text?: string
}

export const jetStreamErrors = {
  badRequest: {code: 10003, kind: 'usage'},
  unavailable: {code: 10008, kind: 'passing'},
  notLeader: {code: 10009, kind: 'passing'},
  consumerCreation: {code: 10012, kind: 'usage'},
  consumerNameInUse: {code: 10013, kind: 'usage'},
  consumerNotFound: {code: 10014, kind: 'notFound'},
  invalidJson: {code: 10025, kind: 'usage'},
  tooManyConsumers: {code: 10026},
  messageNotFound: {code: 10037},
  notEnabled: {code: 10039},
  streamCreation: {code: 10049, kind: 'usage'},
  badSubjects: {code: 10052, kind: 'usage'},
  tooLarge: {code: 10054, text: 'message size exceeds maximum allowed'},
  nameInUse: {code: 10058, kind: 'usage'},
  streamNotFound: {code: 10059, kind: 'notFound'},
  wrongStream: {code: 10060, text: 'expected stream does not match'},
  overlap: {code: 10065, kind: 'usage'},
  wrongMsgId: {code: 10070, text: 'wrong last msg ID'},
  wrongSeq: {code: 10071, text: 'wrong last sequence'},
  replicasNotSupported: {code: 10074, kind: 'usage'},
  tooMany: {code: 10077, text: 'maximum messages exceeded'},
  tooManyBytes: {code: 10077, text: 'maximum bytes exceeded'},
  tooManyOfSubject: {code: 10077, text: 'maximum messages per subject exceeded'},
  unacknowledgedWork: {code: 10084, kind: 'usage'},
  filterNotSubset: {code: 10093, kind: 'usage'},
  invalidPolicy: {code: 10094, kind: 'usage'},
  workNotExplicit: {code: 10098, kind: 'usage'},
  unfilteredWorkers: {code: 10099, kind: 'usage'},
  sameWorkers: {code: 10100, kind: 'usage'},
  lateWorker: {code: 10101, kind: 'usage'},
  sealed: {code: 10109, kind: 'denied', text: 'invalid operation on sealed stream'},
  sequenceNotFound: {code: 10043},
  deleteFailed: {code: 10057},
  purgeDenied: {code: 10110, kind: 'denied'},
  rollup: {code: 10111, text: 'rollup not permitted'},
  rollupInBatch: {code: 10111, text: 'a rollup in a batch is not possible after messages that it replaces'},
  badRollup: {code: 10111, text: 'rollup value invalid'},
  backoffTooLong: {code: 10116, kind: 'usage'},
  headersTooLarge: {code: 10097},
  tooManySubjects: {code: 10117, kind: 'usage'},
  ackPendingLimit: {code: 10121, kind: 'usage'},
  twoFilterFields: {code: 10136, kind: 'usage'},
  streamOffline: {code: 10118, kind: 'passing'},
  consumerOffline: {code: 10119, kind: 'passing'},
  filtersOverlap: {code: 10138, kind: 'usage'},
  consumerExists: {code: 10148, kind: 'usage'},
  inactiveLimit: {code: 10153, kind: 'usage'},
  duplicateInProcess: {code: 10158, kind: 'passing'},
  /** Like `wrongSeq`, since 2.12. */
  wrongSeqUnsaid: {code: 10164, text: 'wrong last sequence'},
  badTtl: {code: 10165, text: 'invalid per-message TTL'},
  ttl: {code: 10166, text: 'per-message TTL is disabled'},
  tooManyRequests: {code: 10167, kind: 'passing'},
  counter: {code: 10168, text: 'message counters is disabled'},
  batch: {code: 10174, text: 'atomic publish is disabled'},
  batchByHeaders: {code: 10174, text: 'a batch is published as a whole, not by its headers'},
  inBatch: {code: 10177, text: 'atomic publish unsupported header used'},
  duplicateInBatch: {code: 10201, text: 'atomic publish batch contains duplicate message id'},
  schedule: {code: 10188, text: 'message schedules is disabled'},
  noSubjectSeq: {code: 10193, text: 'missing sequence for expected last sequence per subject'},
  otherSubject: {
    code: 10193,
    text: 'expected last sequence per subject is only supported for the subject of the message',
  },
  resetNotAllowed: {code: 10204},
  source: {code: 10227, text: 'message stream source header is not allowed'},
} as const satisfies Readonly<Record<string, JetStreamError>>

/** The `err_code` behind a failure. */
export function codeOf(error: unknown): number | undefined {
  const code = error instanceof BusError ? error.data?.['code'] : undefined
  return typeof code === 'number' ? code : undefined
}

/** The kind of failure of an `err_code`. */
export function kindOfCode(code: number): FailureKind | 'passing' {
  const rows: readonly JetStreamError[] = Object.values(jetStreamErrors)
  return rows.find((row) => row.code === code)?.kind ?? 'remote'
}

/** Whether the server asks to send the request again later. */
export function isPassingCode(error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && kindOfCode(code) === 'passing'
}
