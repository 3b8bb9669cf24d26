/** Creates certificates for tests: a CA, and certificates signed by it. X.509 v3 with P-256 keys, encoded as DER by hand. */
import {generateKeyPairSync, type KeyObject, randomBytes, sign} from 'node:crypto'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'

export interface Files {
  readonly cert: string
  readonly key: string
}

export interface Authority extends Files {
  /** Writes `NAME.pem` and `NAME-key.pem` for a server or client of these names and addresses. */
  issue(name: string, options?: {hosts?: readonly string[]} & Validity): Files
}

/** Yesterday to tomorrow, unless given. */
interface Validity {
  readonly from?: Date
  readonly to?: Date
}

/** Creates a CA whose files are in `folder`, like those of all certificates that it signs. */
export function makeAuthority(folder: string, name = 'test CA'): Authority {
  const own = generateKeyPairSync('ec', {namedCurve: 'P-256'})
  const issue = (subject: string, publicKey: KeyObject, extensions: Buffer[], valid: Validity = {}) => {
    const {from = daysFromNow(-1), to = daysFromNow(1)} = valid
    const parts = [explicit(0, integer(2)), serial(), ecdsa, dn(name), sequence(time(from), time(to)), dn(subject)]
    const spki = publicKey.export({type: 'spki', format: 'der'})
    const body = sequence(...parts, spki, explicit(3, sequence(...extensions)))
    return sequence(body, ecdsa, bitString(sign('sha256', body, own.privateKey)))
  }
  const write = (file: string, der: Buffer, key: KeyObject): Files => {
    const files = {cert: join(folder, `${file}.pem`), key: join(folder, `${file}-key.pem`)}
    const lines = der.toString('base64').match(/.{1,64}/g) ?? []
    writeFileSync(files.cert, ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'))
    writeFileSync(files.key, key.export({type: 'pkcs8', format: 'pem'}))
    return files
  }
  return {
    ...write(name.replaceAll(' ', '-'), issue(name, own.publicKey, [isAuthority]), own.privateKey),
    issue(subject, {hosts = [], ...valid} = {}) {
      const {publicKey, privateKey} = generateKeyPairSync('ec', {namedCurve: 'P-256'})
      const extensions = [usages, ...(hosts.length > 0 ? [alternativeNames(hosts)] : [])]
      return write(subject, issue(subject, publicKey, extensions, valid), privateKey)
    },
  }
}

export function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * 86_400_000)
}

function der(tag: number, ...content: Uint8Array[]): Buffer {
  const body = Buffer.concat(content)
  const [high, low] = [body.length >> 8, body.length & 255]
  const size = body.length < 128 ? [low] : high === 0 ? [0x81, low] : [0x82, high, low]
  return Buffer.concat([Buffer.from([tag, ...size]), body])
}

const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts)
const explicit = (number: number, part: Uint8Array) => der(0xa0 + number, part)
const integer = (value: number) => der(0x02, Buffer.from([value]))
const serial = () => der(0x02, Buffer.from([1, ...randomBytes(8)]))
const bitString = (bytes: Uint8Array) => der(0x03, Buffer.from([0]), bytes)
const oid = (...bytes: number[]) => der(0x06, Buffer.from(bytes))
const yes = der(0x01, Buffer.from([0xff]))

const ecdsa = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))
const isAuthority = extension([0x55, 0x1d, 0x13], sequence(yes))
/** For servers and for clients. */
const usages = extension(
  [0x55, 0x1d, 0x25],
  sequence(oid(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01), oid(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02)),
)

function extension(name: number[], value: Uint8Array): Buffer {
  return sequence(oid(...name), yes, der(0x04, value))
}

function alternativeNames(hosts: readonly string[]): Buffer {
  const names = hosts.map((host) =>
    /^[\d.]+$/.test(host) ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host)),
  )
  return extension([0x55, 0x1d, 0x11], sequence(...names))
}

function dn(name: string): Buffer {
  return sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), der(0x0c, Buffer.from(name)))))
}

function time(date: Date): Buffer {
  return der(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`))
}
