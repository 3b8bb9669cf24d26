import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {openRecordFile} from '../../lib/cli/io/record-file.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {StreamClient} from '../../lib/protocols/response-streams/client.ts'
import {follow} from '../../lib/protocols/response-streams/follow.ts'
import {checkFollowed, openedLine, openSummary, planOpen, showFrames, streamOpenFlags} from './open-plan.ts'

export default class StreamOpen extends BusCommand {
  static override summary = 'request a response stream and show its frames'
  static override description = [
    'A response stream is a series of replies to one request that ends with a close frame: the new lines of a log, for example, or the progress of a job. Bacalhau and bus serve --stream serve response streams.',
    'The command ends at the close frame. Exit codes: 0 the close code is 1000; 8 any other close code, which is shown with its text; 7 nobody serves the subject; 6 frames are missing, or the service has disappeared, as detected by --idle or, with --dialect later, by its missing heartbeats.',
    'If several servers answer, for example because they do not share a queue group, their frames are mixed and the first close frame ends the response stream. This is reported if it can be detected.',
    'Ctrl-C, --count and --for leave the response stream open. The service notices at its next check, which for bus serve --stream is every ten seconds.',
  ].join('\n\n')
  static override examples = [
    {description: 'follow a response stream to its end', command: '<%= config.bin %> stream open logs.app'},
    {
      description: 'with a request body, as records, with at most ten seconds between frames',
      command: `<%= config.bin %> stream open jobs.watch '{"job":7}' --json --idle 10s`,
    },
    {
      description: 'a hundred response streams at once',
      command: '<%= config.bin %> stream open ticks --open 100 --raw',
    },
  ]
  static override args = {
    subject: argument({description: 'subject to send the request to', required: true}),
    body: argument({description: 'body of the request; - for stdin'}),
  }
  static override flags = streamOpenFlags

  async run(): Promise<void> {
    const {args, flags} = await this.parse(StreamOpen)
    const openFlags = {...flags, ...args}
    const warn = (line: string) => this.say(line)
    const screen = {terminal: isTerminal(1), paint: await this.paint(1), onFailure: warn}
    const {view, options} = await planOpen(openFlags, screen, this.startSignal)
    using recording = flags.record === undefined ? undefined : openRecordFile(flags.record)
    await using bus = await this.openBus({stream: true, writes: true})
    await using client = new StreamClient(bus, {warn})
    const followed = await follow(client, {
      ...options,
      show: showFrames(view, this.output, recording),
      onOpen: (streams) => this.say(openedLine(streams)),
      onEnd: (stream) => view.end(stream, this.output),
    })
    await this.output.end()
    this.say(openSummary(followed, options.open))
    checkFollowed(followed, openFlags)
  }
}
