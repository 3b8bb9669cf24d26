/** `consumer failed`: its flags, and failed messages as text and JSON. */
import type {FlagValues} from '../../lib/cli/flags/kinds.ts'
import {toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'
import {viewFlags} from '../../lib/cli/flags/view.ts'
import {webhookFlags} from '../../lib/cli/flags/webhook.ts'
import {formatCount, formatMoment} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {isoTime} from '../../lib/core/time/timestamp.ts'
import type {FailedMessage} from '../../lib/transport/streams-contract.ts'
import {replayFlags} from './replay-plan.ts'

const sinkFlags = {
  exec: replayFlags.exec,
  'exec-lines': replayFlags['exec-lines'],
  'exec-timeout': replayFlags['exec-timeout'],
  ...webhookFlags,
  webhook: replayFlags.webhook,
  republish: replayFlags.republish,
  into: replayFlags.into,
  create: variant(replayFlags.create, {
    description: 'create the stream of --into if it does not exist',
    dependsOn: ['into'],
  }),
  'obey-headers': replayFlags['obey-headers'],
  ...viewFlags,
}

export const failedFlags = {
  record: toggle('record the failed messages of all consumers of a server from now on, in the stream BUS_FAILED', {
    exclusive: ['retry', 'dead'],
  }),
  retry: toggle('pass the messages to a program, a webhook, a bus or stdout; those that were handled leave the list'),
  dead: variant(replayFlags.dead, {
    description:
      'write the messages, with --retry those that could not be handled, to this new file as records (NDJSON)',
  }),
  count: replayFlags.count,
  ...sinkFlags,
  concurrency: replayFlags.concurrency,
  yes: replayFlags.yes,
  all: tableFlags.all,
}

export type FailedFlags = FlagValues<typeof failedFlags> & {readonly json?: boolean | undefined}

/** Throws `usage` for flags that need --retry, and for --retry without a destination. */
export function checkFailedFlags(values: FailedFlags): void {
  const given = Object.keys(sinkFlags).filter((name) => (values as Record<string, unknown>)[name] !== undefined)
  if (values.retry && given.length === 0 && !values.json)
    throw new BusError('usage', '--retry needs a destination', {
      try: ['--exec -- ./handle.sh', '--webhook URL', '--raw, to write the messages to stdout'],
    })
  const [first] = given
  if (!values.retry && first !== undefined)
    throw new BusError('usage', `--${first} needs --retry`, {try: [`--retry --${first}`]})
}

export const failedColumns = [
  {head: 'seq', align: 'right'},
  {head: 'subject'},
  {head: 'deliveries', align: 'right'},
  {head: 'reason'},
  {head: 'in the stream'},
  {head: 'stored'},
] as const

export function failedRow({seq, deliveries, reason, message, isThere}: FailedMessage): string[] {
  const {subject = '?', time} = message ?? {}
  return [
    `#${seq}`,
    subject,
    formatCount(deliveries),
    reason,
    isThere ? 'yes' : 'no',
    time === undefined ? '?' : formatMoment(time),
  ]
}

/** A failed message in JSON output; without `subject` and `time` if the message is gone. */
export interface FailedDocument {
  readonly seq: number
  readonly subject?: string | undefined
  readonly deliveries: number
  readonly reason: string
  readonly time?: string | undefined
  readonly there: boolean
}

export function failedDocument({seq, deliveries, reason, message, isThere}: FailedMessage): FailedDocument {
  return {
    seq,
    subject: message?.subject,
    deliveries,
    reason,
    time: message && isoTime(message.time),
    there: isThere,
  }
}
