import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {chooseReplyView, type ReplyView} from '../../lib/cli/render/reply-view.ts'
import {ask, type TimedReply} from '../../lib/messaging/pubsub/request.ts'
import type {Transport} from '../../lib/transport/contract.ts'
import {planRequests, type ReqPlan, repliesLine, reqFlags, showsReplies, statusOnly} from './plan.ts'

export default class Req extends BusCommand {
  static override summary = 'send a request and show the reply'
  static override description = [
    'On a terminal a reply is shown with its headers; a pipe gets only the payload and a newline, and with --raw only the payload. A format can also contain {ms}, the time until the reply. With --count only latencies are shown, unless an output flag requests the replies.',
    'The acknowledgement of a stream that stores the request is not a reply, unless --ack-is-reply is given.',
    'Exit codes: 6 no reply in time, or fewer than requested; 7 nobody serves the subject; 8 the service answered with an error; 9 an expectation failed.',
    'An --expect expression can use subject, headers, json, text and bytes of the reply, ms, status ("ok", or "error" for a service error, which then is not a failure), error.code and error.text. With several replies these describe the first one; messages contains all of them.',
  ].join('\n\n')
  static override examples = [
    {description: 'wait at most two seconds', command: '<%= config.bin %> req time.now -t 2s'},
    {
      description: 'a smoke check for CI',
      command: `<%= config.bin %> req orders.get '{"id":1}' --expect 'json.id = 1' --expect 'ms < 100'`,
    },
    {description: 'the replies of all responders', command: '<%= config.bin %> req health.ping --until-idle 300ms'},
    {
      description: 'latencies of 20,000 requests, 64 at a time',
      command: '<%= config.bin %> req time.now -n 20000 -c 64',
    },
  ]
  static override args = {
    subject: argument({description: 'subject to send the request to', required: true}),
    body: argument({description: 'the request; - for stdin'}),
  }
  static override flags = reqFlags

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Req)
    const {subject, body} = args
    const {count, concurrency = 1, json, quiet} = flags
    const terminal = isTerminal(1)
    const single =
      [count, flags.replies, flags['until-idle']].every((flag) => flag === undefined) && !flags['until-empty']
    const show = await chooseReplyView(flags, {terminal, paint: await this.paint(1), single})
    const plan = await planRequests({...flags, subject, body}, this.stop)
    await using bus = await this.openBus({writes: true})
    if (count === undefined) return await this.#ask(bus, plan, show, json)
    const {measure} = await import('./load.ts')
    const run = {subject, count, concurrency, json, show: showsReplies(flags) ? show : undefined}
    const columns = terminal ? process.stdout.columns : undefined
    await measure(bus, plan, run, {output: this.output, say: (line) => this.say(line), columns, quiet})
  }

  async #ask(bus: Transport, {make, bounds, judge}: ReqPlan, show: ReplyView, json: boolean): Promise<void> {
    const answers: TimedReply[] = []
    try {
      for await (const answer of ask(bus, {message: make(), ...bounds})) {
        answers.push(answer)
        await show(answer, this.output)
        await this.output.ready()
        const status = statusOnly(answer)
        if (status !== undefined && !json) this.say(`the reply is only a status: ${status}`)
      }
    } finally {
      if (answers.length > 0) this.say(repliesLine(answers))
    }
    await judge(answers)
  }
}
