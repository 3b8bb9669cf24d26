/** Text that tries to control a terminal, and a terminal to examine it with. */
import {spawn, spawnSync} from 'node:child_process'
import {connect} from 'node:net'
import {bin} from '../bus.ts'

export const hasTerminals = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0

/** Clears the screen, sets the title, moves back and overwrites, changes the text direction; C0, C1 and Unicode. */
export const tricks = [
  ...['\x1b[2J', '\x1b]0;gotcha\x07', '\x9b31m', 'a\rb', '\b\b', '\u202e', '\u2066', '\u2028'],
  ...['\x1b]8;;http://evil\x1b\\', '\x1b]52;c;aGk=\x07', '\x1b[8m', '\x9d0;t\x9c'],
] as const
export const trick = tricks.join('x')

/** Characters that would mislead a terminal or its reader. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those
export const astray = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\r(?!\n)/

/** What prompts and live reports write themselves: moves of the cursor, clearing below it, plain colours. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those
export const own = /\r?\x1b\[(?:\d*[ABCDGK]|0?J|\?25[hl]|(?:[0-4]|2[2-4]|3[0-79]|9[0-7])?m)/g

/** Returns everything that a command line shows on a new terminal until it ends, or for this long. */
export async function onTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  timeout = 15_000,
): Promise<string> {
  const dashes = args.indexOf('--')
  const at = dashes < 0 ? args.length : dashes
  const words = [process.execPath, bin, ...args.slice(0, at), '--no-color', ...args.slice(at)].map(
    (word) => `'${word.replaceAll("'", `'\\''`)}'`,
  )
  const child = spawn('script', ['-qec', words.join(' '), '/dev/null'], {
    env: {PATH: process.env['PATH'], HOME: process.env['HOME'], TERM: 'xterm', ...env},
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout,
  })
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text
  })
  await new Promise((resolve) => child.once('close', resolve))
  return shown
}

/** Publishes in a way that no client library allows: header lines and subject are sent to the server unchanged. */
export async function publishRaw(port: number, subject: string, headers: string, payload: string): Promise<void> {
  const [head, body] = [Buffer.from(headers), Buffer.from(payload)]
  const socket = connect(port, '127.0.0.1')
  const answered = new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.on('data', (data) => {
      if (String(data).includes('PONG')) resolve()
      if (String(data).includes('-ERR')) reject(new Error(String(data)))
    })
  })
  socket.write('CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n')
  const what =
    head.length === 0 ? `PUB ${subject} ${body.length}` : `HPUB ${subject} ${head.length} ${head.length + body.length}`
  socket.write(Buffer.concat([Buffer.from(`${what}\r\n`), head, body, Buffer.from('\r\nPING\r\n')]))
  await answered
  socket.destroy()
}
