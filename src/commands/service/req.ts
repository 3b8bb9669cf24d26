import {BusCommand} from '../../lib/cli/base/command.ts'
import {bodyFlags, expect} from '../../lib/cli/flags/body.ts'
import {argument, text} from '../../lib/cli/flags/kinds.ts'
import {replyViewFlags} from '../../lib/cli/flags/view.ts'
import {readBody} from '../../lib/cli/io/input.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {chooseReplyView} from '../../lib/cli/render/reply-view.ts'
import {BusError} from '../../lib/core/errors.ts'
import {hasWildcard} from '../../lib/core/subject.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {compileExpectations} from '../../lib/messaging/pubsub/expect.ts'
import {ask, type TimedReply} from '../../lib/messaging/pubsub/request.ts'
import type {ServiceEndpoint} from '../../lib/messaging/service-discovery.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {askInstances, nobodyError} from './instances.ts'

export default class ServiceReq extends BusCommand {
  static override summary = 'send a request to an endpoint of a service, by name'
  static override description =
    'The subject of the endpoint is taken from the reply to $SRV.INFO. Exit codes are those of bus req; 7 also if no instance replies, and 5 if the service has no such endpoint.'
  static override examples = [
    {description: 'a service with one endpoint', command: `<%= config.bin %> service req orders '{"id":1}'`},
    {
      description: 'one of several endpoints',
      command: `<%= config.bin %> service req orders '{"id":1}' --endpoint default`,
    },
  ]
  static override args = {
    name: argument({description: 'name of the service', required: true}),
    body: argument({description: 'the request; - for stdin'}),
  }
  static override flags = {
    endpoint: text('name of the endpoint, if the service has several', '<name>'),
    header: bodyFlags.header,
    file: bodyFlags.file,
    encoding: bodyFlags.encoding,
    ...replyViewFlags,
    expect,
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(ServiceReq)
    const show = await chooseReplyView(flags, {terminal: isTerminal(1), paint: await this.paint(1), single: true})
    const data = await readBody({...flags, body: args.body}, this.stop)
    await using bus = await this.openBus({writes: true})
    const subject = await this.#subjectOf(bus, args.name, flags)
    const judge = await compileExpectations(flags.expect ?? [], subject)
    const question = {message: {subject, data, headers: flags.header}, timeoutMs: flags.timeout, signal: this.stop}
    const answers: TimedReply[] = []
    for await (const answer of ask(bus, question)) {
      answers.push(answer)
      await show(answer, this.output)
    }
    await judge(answers)
  }

  async #subjectOf(
    bus: Transport,
    name: string,
    {endpoint: wanted, timeout}: {readonly endpoint?: string | undefined; readonly timeout: number},
  ): Promise<string> {
    const instances = await askInstances(bus, 'INFO', {name, timeoutMs: timeout, signal: this.stop})
    if (instances.length === 0) throw nobodyError(bus, name)
    const endpoints = distinct(instances.flatMap((instance) => instance.endpoints))
    const found = wanted === undefined ? endpoints : endpoints.filter((endpoint) => endpoint.name === wanted)
    const [only] = found
    if (only?.subject === undefined) throw notThere(name, wanted, endpoints)
    if (found.length > 1) {
      throw new BusError('usage', `the service ${name} has several endpoints: ${namesOf(found)}`, {
        try: [`--endpoint ${shellWord(only.name ?? '')}`, `bus service info ${shellWord(name)}`],
      })
    }
    if (!hasWildcard(only.subject)) return only.subject
    const sentence = `the endpoint ${only.name ?? ''} of ${name} has wildcards in its subject: ${only.subject}`
    throw new BusError('usage', sentence, {try: ['bus req, with the subject to use']})
  }
}

/** Instances of one service have the same endpoints. */
function distinct(endpoints: readonly ServiceEndpoint[]): ServiceEndpoint[] {
  return [...new Map(endpoints.map((endpoint) => [`${endpoint.name} ${endpoint.subject}`, endpoint])).values()]
}

function notThere(name: string, wanted: string | undefined, all: readonly ServiceEndpoint[]): BusError {
  const what = wanted === undefined ? 'endpoint with a subject' : `endpoint ${wanted}`
  const hint = all.length === 0 ? `bus service info ${shellWord(name)}` : `one of its endpoints: ${namesOf(all)}`
  return new BusError('notFound', `the service ${name} has no ${what}`, {try: [hint]})
}

function namesOf(endpoints: readonly ServiceEndpoint[]): string {
  return endpoints.map((endpoint) => endpoint.name ?? endpoint.subject ?? '').join(', ')
}
