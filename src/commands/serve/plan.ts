/** From the flags of `serve` to its queue group and identity. */
import {answerFlags} from '../../lib/cli/flags/answer.ts'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {filterFlags} from '../../lib/cli/flags/filter.ts'
import {type FlagValues, size, text, toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {viewFlags} from '../../lib/cli/flags/view.ts'
import {checkIdentity, type Identity} from '../../lib/messaging/pubsub/service.ts'

export const serveFlags = {
  file: variant(bodyFlags.file, {description: 'read the reply from this file'}),
  encoding: bodyFlags.encoding,
  echo: answerFlags.echo,
  expr: answerFlags.expr,
  exec: answerFlags.exec,
  'exec-timeout': variant(answerFlags['exec-timeout'], {
    description: 'time limit for the program (default: 30s; none with --stream)',
  }),
  header: variant(bodyFlags.header, {description: "header line 'Name: value' of each reply; may be repeated"}),
  template: bodyFlags.template,
  queue: variant(filterFlags.queue, {
    description:
      'queue group: each request goes to one of its members (default: the subject, like servers of Messenger and libbus)',
    exclusive: ['no-queue'],
  }),
  'no-queue': toggle('do not join a queue group: every server gets every request'),
  service: text('announce a NATS service with this name', '<name>'),
  version: text('version of the service (default: 0.0.0)', '<semver>', {dependsOn: ['service']}),
  stream: toggle('answer each request with a response stream: every line is a frame', {
    exclusive: ['echo', 'expr', 'header', 'delay', 'fail', 'service', 'version', 'show-requests'],
  }),
  chunk: size('send output as it arrives, in frames of at most this many bytes, instead of lines', {
    exclusive: ['delimiter'],
    relationships: [{type: 'some', flags: ['exec', 'file']}],
    dependsOn: ['stream'],
  }),
  delimiter: variant(viewFlags.delimiter, {
    description: 'what ends each line of the program or of the file instead of a newline, such as \\t \\0 \\r\\n',
    relationships: [{type: 'some', flags: ['exec', 'file']}],
    dependsOn: ['stream'],
  }),
  every: variant(pacingFlags.every, {description: 'with --stream: interval between frames', dependsOn: ['stream']}),
  concurrency: variant(pacingFlags.concurrency, {
    description: 'requests to handle at the same time (default: 16, or 1024 response streams)',
  }),
  'system-replies': answerFlags['system-replies'],
  delay: answerFlags.delay,
  fail: answerFlags.fail,
  'show-requests': answerFlags['show-requests'],
  count: variant(pacingFlags.count, {
    description: 'end after this many requests; with --stream: frames per response stream',
  }),
  for: pacingFlags.for,
  idle: pacingFlags.idle,
}

export type StreamFlags = FlagValues<typeof serveFlags> & {readonly subject: string; readonly body?: string | undefined}

/** The queue group that the flags ask for. */
export function queueOf(flags: Pick<StreamFlags, 'subject' | 'queue' | 'no-queue'>): string | undefined {
  return flags['no-queue'] ? undefined : (flags.queue ?? flags.subject)
}

/** The identity of the service, if the flags ask for one. Fails with `usage`. */
export function identityOf(flags: Pick<StreamFlags, 'subject' | 'service' | 'version'>): Identity | undefined {
  const {subject, service: name, version = '0.0.0'} = flags
  if (name === undefined) return undefined
  return checkIdentity({name, id: crypto.randomUUID(), version, description: `bus serve ${subject}`})
}
