import {BusCommand} from '../../lib/cli/base/command.ts'
import {consumerArgs} from '../../lib/cli/flags/consumer.ts'
import {age, value} from '../../lib/cli/flags/kinds.ts'
import {formatMoment} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {type ConsumerDocument, consumerDocument, pauseEnd} from './settings.ts'

export default class ConsumerPause extends BusCommand<ConsumerDocument> {
  static override summary = 'deliver nothing from a consumer for some time'
  static override description =
    'Clients stay, and get messages again when the time has come, or after consumer resume. A server needs version 2.11.'
  static override examples = [
    {description: 'for an hour', command: '<%= config.bin %> consumer pause ORDERS billing --for 1h'},
    {
      description: 'until a time',
      command: '<%= config.bin %> consumer pause ORDERS billing --until 2030-01-01T06:00Z',
    },
  ]
  static override args = consumerArgs
  static override flags = {
    for: age('how long', {exclusive: ['until']}),
    until: value('until this time', '<time>', pauseEnd),
  }

  async run(): Promise<ConsumerDocument> {
    const {args, flags} = await this.parse(ConsumerPause)
    const {stream, consumer} = args
    if ((flags.for ?? flags.until) === undefined)
      throw new BusError('usage', '--for or --until is missing', {try: ['--for 10m', '--until 2030-01-01T06:00Z']})
    await using bus = await this.openBus({writes: true})
    const until = flags.until ?? Date.now() + (flags.for ?? 0)
    const info = await bus.streams.consumers.pause(stream, consumer, until)
    if (!this.jsonEnabled()) this.say(`consumer ${consumer} of ${stream} is paused until ${formatMoment(until)}`)
    return consumerDocument(info)
  }
}
