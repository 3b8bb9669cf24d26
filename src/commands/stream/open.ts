import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {openTape} from '../../lib/cli/io/record-file.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {StreamClient} from '../../lib/protocols/response-streams/client.ts'
import {follow} from '../../lib/protocols/response-streams/follow.ts'
import {checkFollowed, openedLine, openSummary, planOpen, showFrames} from './open-plan.ts'

export default class StreamOpen extends BusCommand {
  static override summary = 'ask for a response stream and show its frames'
  static override description = [
    'A response stream is many replies to one request, until a close frame: logs that are followed, a job that tells how far it is. The service is one of bacalhau, or bus serve --stream.',
    'It ends with the close frame: with exit code 0 when that is 1000, with 8 and the code and text for any other. A service that is not there is exit code 7; one that vanishes is found by --idle, exit code 6, or by its heartbeats with --dialect later.',
    'Ctrl-C, --count and --for leave the stream. The service learns of that when it next looks: bus serve --stream does every ten seconds.',
  ].join('\n\n')
  static override examples = [
    {description: 'follow it to its end', command: '<%= config.bin %> stream open logs.app'},
    {
      description: 'with a request, as records, ten seconds of silence at most',
      command: `<%= config.bin %> stream open jobs.watch '{"job":7}' --json --idle 10s`,
    },
    {description: 'a hundred streams at once', command: '<%= config.bin %> stream open ticks --open 100 --raw'},
  ]
  static override args = {
    subject: string({description: 'where to send the request', required: true}),
    body: string({description: 'the request; - for stdin'}),
  }
  static override flags = {
    file: flags.file(),
    encoding: flags.encoding(),
    count: flags.count({description: 'end after so many frames'}),
    for: flags.for(),
    idle: flags.idle({description: 'fail when no frame came for this long'}),
    open: flags.open(),
    dialect: flags.dialect(),
    buffer: flags.buffer(),
    raw: flags.raw(),
    delimiter: flags.delimiter(),
    format: flags.format(),
    'headers-only': flags.headersOnly(),
    'subjects-only': flags.subjectsOnly(),
    select: flags.select(),
    record: flags.record(),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(StreamOpen)
    const wishes = {...flags, ...args}
    const warn = (line: string) => this.say(line)
    const screen = {terminal: isTerminal(1), paint: await this.paint(1), onFailure: warn}
    const {view, options} = await planOpen(wishes, screen, this.stop)
    using tape = flags.record === undefined ? undefined : openTape(flags.record)
    await using bus = await this.openBus({stream: true})
    await using client = new StreamClient(bus, {warn})
    const followed = await follow(client, {
      ...options,
      show: showFrames(view, this.output, tape),
      onOpen: (streams) => this.say(openedLine(streams)),
      onEnd: (stream) => view.end(stream, this.output),
    })
    await this.output.end()
    this.say(openSummary(followed, options.open))
    checkFollowed(followed, wishes)
  }
}
