import {expect, test} from 'vitest'
import ConsumerNext from '../../src/commands/consumer/next.ts'
import Pub from '../../src/commands/pub/command.ts'
import Req from '../../src/commands/req/command.ts'
import Serve from '../../src/commands/serve/command.ts'
import StreamGet from '../../src/commands/stream/get.ts'
import Sub from '../../src/commands/sub/command.ts'
import {parseArguments} from '../../src/lib/cli/base/arguments.ts'
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
  const flags = {...globalFlags, ...commands[name].flags}
  try {
    await parseArguments(line.split(' '), {command: `bus ${name}`, flags, args: {}})
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

test.each<[keyof typeof commands, string, string | undefined]>([
  ['sub', '--raw --json', '--raw and --json cannot be used together'],
  ['sub', '--raw -f {text}', '--raw and --format cannot be used together'],
  ['sub', '-f x --json', '--format and --json cannot be used together'],
  ['sub', '-f x --select json', '--format and --select cannot be used together'],
  ['sub', '--headers-only --subjects-only', '--subjects-only and --headers-only cannot be used together'],
  ['sub', '--headers-only --select json', '--select and --headers-only cannot be used together'],
  ['sub', '--delimiter ,', '--delimiter needs --raw or --format or --select or --subjects-only'],
  ['sub', '--json --select json', undefined],
  ['sub', '--subjects-only --delimiter ,', undefined],
  ['req', '--delimiter ,', '--delimiter needs --raw or --format or --select'],
  ['consumer next', '--raw --json', '--raw and --json cannot be used together'],
  ['stream get', '--raw --json', '--raw and --json cannot be used together'],
  ['sub', '--pair --raw', '--pair and --raw cannot be used together'],
  ['sub', '--pair --queue q', '--pair and --queue cannot be used together'],
  ['sub', '--from first --queue q', '--from and --queue cannot be used together'],
  ['sub', '--from first --pair', '--from and --pair cannot be used together'],
  ['sub', '--from first --to end --end', '--to and --end cannot be used together'],
  ['sub', '--to 5', '--to needs --from'],
  ['sub', '--end', '--end needs --from'],
  ['sub', '--stream S', '--stream needs --from or --durable'],
  ['sub', '--create', '--create needs --durable'],
  ['sub', '--durable d --where true', '--durable and --where cannot be used together'],
  ['pub', '--lines -n 2', '--lines and --count cannot be used together'],
  ['pub', '--lines --size 2', '--lines and --size cannot be used together'],
  ['pub', '--delimiter ,', '--delimiter needs --lines'],
  ['pub', '--lines --delimiter ,', undefined],
  ['pub', '--speed 1', '--speed needs --records'],
  ['pub', '--every 1s --rate 1/s', '--every and --rate cannot be used together'],
  ['pub', '--encoding hex --template', '--encoding and --template cannot be used together'],
  ['pub', '--msg-id y', '--msg-id needs --ack'],
  ['pub', '--expect-last-seq 0', '--expect-last-seq needs --ack'],
  ['pub', '--window 5', '--window needs --ack'],
  ['pub', '--ack --reply b', '--ack and --reply cannot be used together'],
  ['pub', '--ack -n 2 --expect-last-seq 7', '--expect-last-seq and --count cannot be used together'],
  ['pub', '--records x --ack --msg-id y', '--records and --msg-id cannot be used together'],
  ['pub', '--records x --lines', '--records and --lines cannot be used together'],
  ['pub', '--records x -n 2', '--records and --count cannot be used together'],
  ['pub', '--records x --speed 1 --rate 2/s', '--rate and --speed cannot be used together'],
  ['req', '-c 2', '--concurrency needs --count'],
  ['req', '-n 2 --replies 2', '--count and --replies cannot be used together'],
  ['serve', '--chunk 1KiB --exec', '--chunk needs --stream'],
  ['serve', '--stream --chunk 1KiB', '--chunk needs --exec or --file'],
  ['serve', '--stream --echo', '--stream and --echo cannot be used together'],
  ['serve', '--version 1.2.3', '--version needs --service'],
])('the flags of %s in %s are refused with: %s', async (name, line, sentence) => {
  expect(await refusal(name, line)).toBe(sentence)
})
