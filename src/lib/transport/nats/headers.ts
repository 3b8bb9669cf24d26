/**
 * Header lines on the wire (ADR-4). nats.js stores headers in a map, which loses the order of repeated names and the space
 * around values; here both are kept.
 */
import {type Headers, noHeaders} from '../../core/message.ts'
import {exactText} from '../../core/text/exact-text.ts'
import {serverSpelling} from '../shared/header-names.ts'

const version = 'NATS/1.0'
/** A line takes many times its bytes in memory; later lines are left out, and a header says so. */
const mostLines = 65_536

/** `NATS/1.0`, the lines, an empty line. */
export function headerText(headers: Headers): string {
  let text = `${version}\r\n`
  for (const [name, value] of headers) text += `${serverSpelling(name)}: ${value}\r\n`
  return `${text}\r\n`
}

/** The rest of the first line, after the version, becomes `Status` and `Description`, as in other clients. */
export function parseHeaders(bytes: Uint8Array): Headers {
  const lines = exactText(bytes).split('\r\n', mostLines)
  const [first = ''] = lines
  const headers: [string, string][] = first.length > version.length ? statusLines(first) : []
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i] as string
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    // One space is part of the format, further ones are part of the value.
    const from = line[colon + 1] === ' ' ? colon + 2 : colon + 1
    headers.push([line.slice(0, colon), line.slice(from)])
  }
  if (lines.length === mostLines) headers.push(['Bus-Headers', `only the first ${mostLines} lines are shown`])
  return headers.length === 0 ? noHeaders : headers
}

/** Whether this is the server's reply to a request without responders. `size` is the size of the headers. */
export function isNoResponders(bytes: Uint8Array, size: number): boolean {
  return bytes.length === size && bytes[9] === 0x35 && bytes[10] === 0x30 && bytes[11] === 0x33
}

function statusLines(first: string): [string, string][] {
  const [, status, description] = /^\S+ +(\d+) *(.*)$/.exec(first) ?? []
  if (status === undefined) return []
  return description
    ? [
        ['Status', status],
        ['Description', description],
      ]
    : [['Status', status]]
}
