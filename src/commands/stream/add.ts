import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {findOrMake} from '../../lib/messaging/stored/find.ts'
import {type StreamDocument, streamDocument, streamSettings} from './settings.ts'

export default class StreamAdd extends BusCommand<StreamDocument> {
  static override summary = 'make a stream, which keeps the messages of some subjects'
  static override description =
    'A limit that is not given is none. A stream with the same configuration is answered as it is, one with another is refused; with --if-missing any stream of this name will do.'
  static override examples = [
    {description: 'all orders of a week', command: `<%= config.bin %> stream add ORDERS 'orders.>' --max-age 7d`},
    {
      description: 'the last state of each device',
      command: `<%= config.bin %> stream add STATE 'device.*.state' --max-msgs-per-subject 1 --if-missing`,
    },
  ]
  static override args = {
    stream: string({description: 'its name', required: true}),
    subject: string({description: 'what it keeps: subjects and patterns (default: its name)', multiple: true}),
  }
  static override flags = {
    'max-age': flags.maxAge(),
    'max-msgs': flags.maxMsgs(),
    'max-bytes': flags.maxBytes(),
    'max-msgs-per-subject': flags.maxMsgsPerSubject(),
    'max-msg-size': flags.maxMsgSize(),
    discard: flags.discard(),
    dedupe: flags.dedupe(),
    storage: flags.storage(),
    replicas: flags.replicas(),
    description: flags.description(),
    'if-missing': flags.ifMissing(),
  }

  async run(): Promise<StreamDocument> {
    const {args, flags} = await this.parse(StreamAdd)
    const settings = streamSettings(args.stream, args.subject, flags)
    await using bus = await this.openBus()
    const make = () => bus.streams.add(settings)
    const {found, info} = flags['if-missing']
      ? await findOrMake(() => bus.streams.info(args.stream), make)
      : {found: false, info: await make()}
    const {name, subjects} = info.config
    this.say(`stream ${name} ${found ? 'was there already, and keeps' : 'keeps'} ${subjects.join(' ')}`)
    return streamDocument(info)
  }
}
