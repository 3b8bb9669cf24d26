import type {FlagInput} from '@oclif/core/interfaces'
import {parse} from '@oclif/core/parser'
import {expect, test} from 'vitest'
import ConsumerNext from '../../src/commands/consumer/next.ts'
import Pub from '../../src/commands/pub/command.ts'
import Req from '../../src/commands/req/command.ts'
import Serve from '../../src/commands/serve/command.ts'
import StreamGet from '../../src/commands/stream/get.ts'
import Sub from '../../src/commands/sub/command.ts'
import {usageError} from '../../src/lib/cli/base/usage-errors.ts'
import {globalFlags} from '../../src/lib/cli/flags/global.ts'

const commands = {
  'consumer next': ConsumerNext,
  pub: Pub,
  req: Req,
  serve: Serve,
  'stream get': StreamGet,
  sub: Sub,
}

/** The usage error of these flags on a command. */
async function refusal(name: keyof typeof commands, line: string): Promise<string | undefined> {
  const flags: FlagInput = {...globalFlags, ...commands[name].flags}
  try {
    await parse(line.split(' '), {flags, args: {}})
    return undefined
  } catch (error) {
    return (usageError(error, {command: `bus ${name}`, flags: Object.keys(flags)}) as Error).message
  }
}

test.each<[keyof typeof commands, string, string | undefined]>([
  ['sub', '--raw --json', '--raw and --json exclude each other'],
  ['sub', '--raw -f {text}', '--raw and --format exclude each other'],
  ['sub', '-f x --json', '--format and --json exclude each other'],
  ['sub', '-f x --select json', '--format and --select exclude each other'],
  ['sub', '--headers-only --subjects-only', '--subjects-only and --headers-only exclude each other'],
  ['sub', '--headers-only --select json', '--select and --headers-only exclude each other'],
  ['sub', '--delimiter ,', '--delimiter goes with --raw or --select or --subjects-only'],
  ['sub', '--json --select json', undefined],
  ['sub', '--subjects-only --delimiter ,', undefined],
  ['req', '--delimiter ,', '--delimiter goes with --raw or --select'],
  ['consumer next', '--raw --json', '--raw and --json exclude each other'],
  ['stream get', '--raw --json', '--raw and --json exclude each other'],
  ['sub', '--pair --raw', '--pair and --raw exclude each other'],
  ['sub', '--pair --queue q', '--pair and --queue exclude each other'],
  ['sub', '--from first --queue q', '--from and --queue exclude each other'],
  ['sub', '--from first --pair', '--from and --pair exclude each other'],
  ['sub', '--from first --to end --end', '--to and --end exclude each other'],
  ['sub', '--to 5', '--to goes with --from'],
  ['sub', '--end', '--end goes with --from'],
  ['sub', '--stream S', '--stream goes with --from or --durable'],
  ['sub', '--create', '--create goes with --durable'],
  ['sub', '--durable d --where true', '--durable and --where exclude each other'],
  ['pub', '--lines -n 2', '--lines and --count exclude each other'],
  ['pub', '--lines --size 2', '--lines and --size exclude each other'],
  ['pub', '--delimiter ,', '--delimiter goes with --lines'],
  ['pub', '--lines --delimiter ,', undefined],
  ['pub', '--speed 1', '--speed goes with --records'],
  ['pub', '--every 1s --rate 1/s', '--every and --rate exclude each other'],
  ['pub', '--encoding hex --template', '--encoding and --template exclude each other'],
  ['pub', '--msg-id y', '--msg-id goes with --ack'],
  ['pub', '--expect-last-seq 0', '--expect-last-seq goes with --ack'],
  ['pub', '--window 5', '--window goes with --ack'],
  ['pub', '--ack --reply b', '--ack and --reply exclude each other'],
  ['pub', '--ack -n 2 --expect-last-seq 7', '--expect-last-seq and --count exclude each other'],
  ['pub', '--records x --ack --msg-id y', '--records and --msg-id exclude each other'],
  ['pub', '--records x --lines', '--records and --lines exclude each other'],
  ['pub', '--records x -n 2', '--records and --count exclude each other'],
  ['pub', '--records x --speed 1 --rate 2/s', '--rate and --speed exclude each other'],
  ['req', '-c 2', '--concurrency goes with --count'],
  ['req', '-n 2 --replies 2', '--count and --replies exclude each other'],
  ['serve', '--chunk 1KiB --exec', '--chunk goes with --stream'],
  ['serve', '--stream --chunk 1KiB', '--chunk goes with --exec or --file'],
  ['serve', '--stream --echo', '--stream and --echo exclude each other'],
  ['serve', '--version 1.2.3', '--version goes with --service'],
])('the flags of %s in %s are answered with: %s', async (name, line, sentence) => {
  expect(await refusal(name, line)).toBe(sentence)
})
