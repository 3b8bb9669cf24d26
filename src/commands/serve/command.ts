import {ServeCommand} from '../../lib/cli/base/serve-command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {chooseHandler} from '../../lib/cli/flags/reply-handler.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {liveLine} from '../../lib/cli/render/served-view.ts'
import {summaryLine} from '../../lib/cli/render/summary.ts'
import {checkPattern} from '../../lib/core/subject.ts'
import {identityOf, queueOf, type StreamFlags, serveFlags} from './plan.ts'

export default class Serve extends ServeCommand {
  static override summary = 'answer requests'
  static override description = [
    'The reply is BODY, a file, the request itself, the result of an expression applied to it, or the output of a program. A file is read once, at the start.',
    'A program gets the request on stdin, and BUS_SUBJECT, BUS_REPLY, BUS_HEADERS (JSON) and BUS_HEADER_<NAME> in its environment. If it fails or takes too long, the requester gets a service error with the last line of its stderr. A message without a reply subject is handled and counted too.',
    'With --service, the server announces itself as a NATS service, on any bus: it answers $SRV.PING, $SRV.INFO and $SRV.STATS, with and without .NAME and .NAME.ID.',
    'With --stream, each request is answered with a response stream, which bus stream open shows. Each line of the program or of the file is sent as a frame immediately; BODY is sent --count times. If the program fails, the response stream is closed with code 5000 and the last line of its stderr; Ctrl-C closes it with 1001. If the consumer disappears, the program is killed about ten seconds later; in the first version of the protocol, this is detected only if its connection is gone.',
    'Ctrl-C waits for requests in progress; press it again to stop immediately.',
  ].join('\n\n')
  static override examples = [
    {description: 'reply with a fixed text', command: "<%= config.bin %> serve time.now 'half past two'"},
    {
      description: 'reply with a value computed from the request',
      command: "<%= config.bin %> serve math.double --expr 'json.n * 2'",
    },
    {
      description: 'reply with the output of a program',
      command: '<%= config.bin %> serve text.upper --exec -- tr a-z A-Z',
    },
    {
      description: 'simulate a slow and unreliable service',
      command: '<%= config.bin %> serve orders.get --echo --delay 50ms..200ms --fail 5%',
    },
    {
      description: "a service that bus req '$SRV.STATS' --until-idle 300ms finds",
      command: '<%= config.bin %> serve greet hello --service greeter --version 1.2.3',
    },
    {
      description: 'follow a file as a response stream',
      command: '<%= config.bin %> serve logs.app --stream --exec -- tail -f app.log',
    },
  ]
  static override args = {
    subject: argument({description: 'subject to serve; may contain wildcards', required: true}),
    body: argument({description: 'the reply; - for stdin'}),
  }
  static override flags = serveFlags

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Serve)
    const subject = checkPattern(args.subject)
    if (flags.stream) return await this.#stream({...flags, subject, body: args.body})
    const queue = queueOf({...flags, subject})
    const identity = identityOf({...flags, subject})
    await this.answer(flags, {
      ...{subject, queue, identity, unit: 'request', live: liveLine(subject, queue, identity)},
      handler: (program) => chooseHandler({...flags, subject, body: args.body}, program, this.startSignal),
    })
  }

  async #stream(flags: StreamFlags): Promise<void> {
    const {chooseProducer, streamedView} = await import('./stream-plan.ts')
    const {serveStreams} = await import('../../lib/protocols/response-streams/serve.ts')
    const {subject, concurrency = 1024, for: forMs, idle: idleMs} = flags
    const queue = queueOf(flags)
    const producer = await chooseProducer(flags, this.programOf(this.stop), this.startSignal)
    const show = streamedView(this.jsonEnabled(), isTerminal(1), await this.paint(1))
    await using bus = await this.openBus({stream: true, writes: true})
    const {streams, failed, left, ignored, dropped, ms} = await serveStreams(bus, {
      ...{subject, queue, producer, concurrency, forMs, idleMs, signal: this.stop},
      systemReplies: flags['system-replies'],
      onLive: () => this.say(liveLine(subject, queue, undefined)),
      onRefused: (sentence) => this.say(sentence),
      onStreamed: (streamed) => {
        show(streamed, this.output)
        void this.output.ready()
      },
    })
    await this.output.end()
    this.say(summaryLine({'response streams': streams, failed, left, ...(ignored > 0 && {ignored}), dropped}, ms))
  }
}
