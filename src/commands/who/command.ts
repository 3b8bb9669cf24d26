import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument, duration} from '../../lib/cli/flags/kinds.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'
import {BusError} from '../../lib/core/errors.ts'
import {checkPattern} from '../../lib/core/subject.ts'
import {type Audience, findAudience} from '../../lib/messaging/audience.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {type WhoDocument, whoColumns, whoDocument, whoRows} from './rows.ts'

export default class Who extends BusCommand<WhoDocument> {
  static override summary = 'show who receives a subject: subscribers, streams, consumers and services'
  static override description = [
    'On a server the connections of the account of this login are listed: their library, address, queue group, unsent bytes and round trip. Each server of a cluster replies; the list ends when no further one has replied for 300 ms (--idle). A leaf node is one subscriber, for all its clients. Subscribers in other accounts are not shown. A bus file knows the processes of its subscribers.',
    'Exit codes: 7 nobody receives the subject; 4, 6 or 8 the bus does not tell who subscribes, and no stream stores it.',
  ].join('\n\n')
  static override examples = [
    {description: 'who gets new orders', command: '<%= config.bin %> who orders.created'},
    {description: 'of every subject below orders, as JSON', command: `<%= config.bin %> who 'orders.>' --json`},
  ]
  static override args = {subject: argument({description: 'a subject, or a pattern', required: true})}
  static override flags = {
    all: tableFlags.all,
    idle: duration('how long to wait for each further server or service (default: 300ms)'),
  }

  async run(): Promise<WhoDocument> {
    const {args, flags} = await this.parse(Who)
    const subject = checkPattern(args.subject)
    await using bus = await this.openBus()
    const options = {timeoutMs: this.timeoutMs, idleMs: flags.idle, signal: this.stop}
    const audience = await findAudience(bus, subject, options)
    const rows = whoRows(audience)
    if (rows.length === 0) throw nobody(bus, subject, audience)
    for (const {message} of audience.failures) this.say(`cannot tell everything: ${message}`)
    if (audience.subscribers === undefined && audience.failures.length === 0)
      this.say(`cannot tell who subscribes: ${bus.url} does not know its subscribers`)
    if (!this.jsonEnabled()) await this.printTable(whoColumns, rows, flags.all)
    return whoDocument(subject, audience)
  }
}

/** Nobody is known. Where the bus does not tell, that is no answer. */
function nobody(bus: Transport, subject: string, {subscribers, failures, unseen}: Audience): BusError {
  const [failure] = failures
  if (failure !== undefined)
    return new BusError(failure.kind, `cannot tell who receives "${subject}": ${failure.message}`, {
      try: failure.try,
      cause: failure,
      data: {subject},
    })
  if (subscribers === undefined)
    return new BusError('notFound', `cannot tell who receives "${subject}": ${bus.url} does not know its subscribers`)
  return new BusError('noResponders', `nobody receives "${subject}" on ${bus.url}`, {
    try: [
      "bus who '>'",
      ...(unseen === undefined ? [] : [`${unseen} are not shown: check the imports of other accounts`]),
    ],
    data: {subject},
  })
}
