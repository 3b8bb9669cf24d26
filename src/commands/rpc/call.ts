import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {chooseReplyView} from '../../lib/cli/render/reply-view.ts'
import {callFlags, planCall, runCall} from './call-plan.ts'

export default class RpcCall extends BusCommand {
  static override summary = 'call an RPC method and show the answer'
  static override description = [
    'The method is given by its subject, or by service, method and --instance. The payload is JSON; requests and answers are Loom RPC envelopes.',
    'A call to a wildcard subject reaches no instance. With --any or --all, instances are discovered from the subscriptions of a bus file and from NATS services.',
    'Exit codes: 6 no answer in time; 7 nobody serves the method; 8 the answer is an error; 9 an expectation failed.',
  ].join('\n\n')
  static override examples = [
    {
      description: 'one instance',
      command: `<%= config.bin %> rpc call math add '{"a":1,"b":2}' --instance one`,
    },
    {description: 'by its subject', command: '<%= config.bin %> rpc call loom.rpc.math.one.add \'{"a":1,"b":2}\''},
    {
      description: 'all instances',
      command: '<%= config.bin %> rpc call math ping --all',
    },
    {
      description: 'a smoke check for CI',
      command: `<%= config.bin %> rpc call math add '{"a":1,"b":2}' --any --expect 'json = 3'`,
    },
  ]
  static override args = {
    target: argument({description: 'subject of a method, or name of a service', required: true}),
    method: argument({description: 'method of the service; after a subject, the payload'}),
    payload: argument({description: 'payload as JSON; - for stdin'}),
  }
  static override flags = callFlags

  async run(): Promise<void> {
    const {args, flags: given} = await this.parse(RpcCall)
    const words = [args.target, args.method, args.payload].filter((word) => word !== undefined)
    const flags = {...given, words}
    const show = await chooseReplyView(flags, {
      ...{terminal: isTerminal(1), paint: await this.paint(1)},
      single: !flags.all,
    })
    const plan = await planCall(flags, this.stop)
    await using bus = await this.openBus({writes: true})
    if (flags['trace-id'] === undefined) this.say(`trace ${plan.traceId}`)
    const say = (line: string) => this.say(line)
    await runCall(bus, plan, {flags, show, output: this.output, say, signal: this.stop})
  }
}
