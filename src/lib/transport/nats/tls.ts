import type {TLSSocket} from 'node:tls'
import {BusError} from '../../core/errors.ts'
import type {TlsOptions} from '../contract.ts'
import type {TlsFacts} from '../examination.ts'
import {readLoginFile} from './login.ts'

export interface Tls {
  /** Refuse to connect without TLS; otherwise the server decides. */
  readonly isWanted: boolean
  /** TLS starts before the server sends anything. */
  readonly first: boolean
  /** Named like Node's options. */
  readonly material: TlsMaterial
}

export interface TlsMaterial {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly rejectUnauthorized?: boolean
}

/** Reads the files. Fails with `usage` if one cannot be used. */
export function readTls(options: TlsOptions = {}, isWanted: boolean): Tls {
  const {caFile, certFile, keyFile, first = false, insecure} = options
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const [has, lacks] = certFile === undefined ? ['key', 'certificate'] : ['certificate', 'key']
    throw new BusError('usage', `a TLS ${has} needs its ${lacks} as well`)
  }
  const files = {
    ...(caFile !== undefined && {ca: readPem(caFile)}),
    ...(certFile !== undefined && {cert: readPem(certFile)}),
    ...(keyFile !== undefined && {key: readPem(keyFile)}),
  }
  const hasFiles = Object.keys(files).length > 0
  if (hasFiles) check(files, [caFile, certFile, keyFile])
  return {
    isWanted: isWanted || first || hasFiles,
    first,
    material: {...files, ...(insecure && {rejectUnauthorized: false})},
  }
}

/** The encryption of a socket and the certificate of its server. */
export function tlsFactsOf(socket: TLSSocket): TlsFacts {
  const {subject, issuer, valid_to: end} = socket.getPeerCertificate()
  const {authorizationError: distrust} = socket
  return {
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().standardName,
    subject: nameOf(subject),
    issuer: nameOf(issuer),
    validTo: Date.parse(end),
    ...(distrust && {distrust: distrust instanceof Error ? distrust.message : String(distrust)}),
  }
}

function nameOf(certified: {readonly CN?: string | string[]; readonly O?: string | string[]}): string {
  return [certified.CN ?? certified.O ?? 'unnamed'].flat().join(', ')
}

const readPem = (path: string) => readLoginFile(path, `the TLS file ${path}`)

function check({ca, cert, key}: TlsMaterial, paths: readonly (string | undefined)[]): void {
  const named = paths.filter((path) => path !== undefined).join(', ')
  for (const [what, pem] of [
    ['CERTIFICATE', ca],
    ['CERTIFICATE', cert],
    ['PRIVATE KEY', key],
  ] as const) {
    if (pem !== undefined && !pem.includes(`${what}-----`))
      throw new BusError('usage', `one of the TLS files ${named} is not a PEM file: it has no ${what}`)
  }
  try {
    process.getBuiltinModule('node:tls').createSecureContext({ca, cert, key})
  } catch (cause) {
    throw new BusError('usage', `the TLS files ${named} cannot be used: ${(cause as Error).message}`, {cause})
  }
}
