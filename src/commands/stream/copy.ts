import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {BusError} from '../../lib/core/errors.ts'
import {shellWord} from '../../lib/core/text/shell-word.ts'
import {configChanges} from '../../lib/messaging/stored/whole-config.ts'
import {streamChanges, streamSettingFlags} from './setting-flags.ts'
import {type StreamDocument, storedText, streamDocument} from './settings.ts'

export default class StreamCopy extends BusCommand<StreamDocument> {
  static override summary = 'create a stream with the configuration of another one'
  static override description =
    'Only the configuration is copied, except for what the flags change: neither messages nor consumers. consumer replay --republish and --into copy messages, stream backup and restore copy both. Two streams of a bus cannot store the same subjects, so the new one needs its own.'
  static override examples = [
    {description: 'for tests', command: `<%= config.bin %> stream copy ORDERS TEST 'test.orders.>'`},
    {
      description: 'with another limit',
      command: `<%= config.bin %> stream copy ORDERS TEST 'test.orders.>' --max-age 1h`,
    },
  ]
  static override args = {
    stream: argument({description: 'name of the stream to copy', required: true}),
    name: argument({description: 'name of the new stream', required: true}),
    subject: argument({description: 'subjects and patterns that the new stream stores', multiple: true}),
  }
  static override flags = streamSettingFlags

  async run(): Promise<StreamDocument> {
    const {args, flags} = await this.parse(StreamCopy)
    const {stream, name, subject} = args
    await using bus = await this.openBus({writes: true})
    const {config} = await bus.streams.info(stream)
    const isMirror = (flags.mirror ?? config.other?.['mirror']) !== undefined
    if (!subject?.length && !isMirror)
      throw new BusError('usage', `the subjects of ${name} are missing: they cannot be those of ${stream}`, {
        try: [`bus stream copy ${shellWord(stream)} ${shellWord(name)} ${shellWord(`${name}.>`)}`],
      })
    const {other, ...settings} = configChanges({...config, subjects: undefined})
    const {other: changed, ...changes} = streamChanges(subject, flags)
    const options = {...other, ...changed}
    const {config: copy} = await bus.streams.add({
      ...settings,
      ...changes,
      name,
      ...(Object.keys(options).length > 0 && {other: options}),
    })
    this.say(`stream ${copy.name} has the configuration of ${stream} and stores ${storedText(copy)}`)
    return streamDocument(await bus.streams.info(name))
  }
}
