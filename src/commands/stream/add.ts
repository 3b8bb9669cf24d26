import {BusCommand} from '../../lib/cli/base/command.ts'
import {changeFlags, joinedChanges} from '../../lib/cli/flags/change.ts'
import {argument, variant} from '../../lib/cli/flags/kinds.ts'
import {streamArgs, streamFlags} from '../../lib/cli/flags/stream.ts'
import {findOrMake} from '../../lib/messaging/stored/find.ts'
import {configChanges} from '../../lib/messaging/stored/whole-config.ts'
import {streamChanges, streamSettingFlags} from './setting-flags.ts'
import {type StreamDocument, storedText, streamDocument} from './settings.ts'

export default class StreamAdd extends BusCommand<StreamDocument> {
  static override summary = 'create a stream that stores the messages of some subjects'
  static override description =
    'Omitted limits mean unlimited. If the stream exists with the same configuration, nothing changes; with a different one the command fails. With --if-missing, any existing stream with this name is accepted.'
  static override examples = [
    {
      description: 'the orders of the last week',
      command: `<%= config.bin %> stream add ORDERS 'orders.>' --max-age 7d`,
    },
    {
      description: 'the last state of each device',
      command: `<%= config.bin %> stream add STATE 'device.*.state' --max-msgs-per-subject 1 --if-missing`,
    },
  ]
  static override args = {
    ...streamArgs,
    subject: argument({
      description: 'subjects and patterns to store (default: the name of the stream; none with --mirror or --source)',
      multiple: true,
    }),
  }
  static override flags = {
    ...streamSettingFlags,
    config: variant(changeFlags.config, {exclusive: []}),
    'if-missing': streamFlags['if-missing'],
  }

  async run(): Promise<StreamDocument> {
    const {args, flags} = await this.parse(StreamAdd)
    const whole =
      flags.config === undefined
        ? {}
        : configChanges(await (await import('../../lib/cli/io/config-file.ts')).readConfig(flags.config, this.stop))
    const given = joinedChanges(whole, streamChanges(args.subject, flags))
    const settings = {...given, name: args.stream}
    await using bus = await this.openBus({writes: true})
    const make = () => bus.streams.add(settings)
    const {found, info} = flags['if-missing']
      ? await findOrMake(() => bus.streams.info(args.stream), make)
      : {found: false, info: await make()}
    const {name} = info.config
    this.say(`stream ${name} ${found ? 'already exists and stores' : 'stores'} ${storedText(info.config)}`)
    return streamDocument(info)
  }
}
