import {BusCommand} from '../../lib/cli/base/command.ts'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {argument, toggle} from '../../lib/cli/flags/kinds.ts'
import {readBody} from '../../lib/cli/io/input.ts'
import {printableLines} from '../../lib/cli/render/printable.ts'
import {BusError} from '../../lib/core/errors.ts'
import {checkSubject} from '../../lib/core/subject.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import type {TraceStep} from '../../lib/transport/trace.ts'
import {traceTree} from './tree.ts'
import {allSteps, type TraceDocument, traceDocument} from './way.ts'

export default class Trace extends BusCommand<TraceDocument> {
  static override summary = 'show the way of a message: servers, subscribers, streams and their consumers'
  static override description = [
    'Nothing is delivered or stored without --deliver. Each server on the way reports what it does with the message (ADR-41), which needs version 2.11: the connections, of a queue group the one that it chose, streams, subject mappings, imports, routes, gateways and leaf nodes. A trace ends where the import of another account does not allow it. On a bus file the tree shows its subscriptions and streams.',
    'The exit code is 7 if nobody would receive the message.',
  ].join('\n\n')
  static override examples = [
    {description: 'where would an order go', command: `<%= config.bin %> trace orders.created '{"id":1}'`},
    {description: 'send it, too', command: `<%= config.bin %> trace orders.created '{"id":1}' --deliver`},
  ]
  static override args = {
    subject: argument({description: 'subject of the message', required: true}),
    body: argument({description: 'its payload; - for stdin'}),
  }
  static override flags = {
    deliver: toggle('deliver and store the message as well'),
    header: bodyFlags.header,
    file: bodyFlags.file,
    encoding: bodyFlags.encoding,
  }

  async run(): Promise<TraceDocument> {
    const {args, flags} = await this.parse(Trace)
    const {deliver} = flags
    const message = {
      subject: checkSubject(args.subject),
      data: await readBody({...flags, body: args.body}, this.stop),
      headers: flags.header,
    }
    await using bus = await this.openBus({writes: deliver})
    const document = await traceDocument(bus, message, {deliver, timeoutMs: this.timeoutMs, signal: this.stop})
    this.log(printableLines(traceTree(document)).trimEnd())
    const {subject, error, steps} = document
    if (error !== undefined) throw new BusError('denied', `${bus.url} did not accept the message: ${error}`)
    if (!allSteps(steps).some(leadsOn))
      throw new BusError('noResponders', `nobody receives "${subject}" on ${bus.url}`, {
        try: [`bus who ${shellWord(subject)}`],
      })
    if (!deliver) this.say('nothing was delivered; --deliver delivers it')
    return document
  }
}

/** Whether someone receives the message by this step, or may receive it where the trace does not lead. */
function leadsOn(step: TraceStep): boolean {
  if (step.kind === 'mapping') return false
  return !('steps' in step) || step.isSilent === true
}
