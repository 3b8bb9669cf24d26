import {BusCommand} from '../../lib/cli/base/command.ts'
import {consumerArgs} from '../../lib/cli/flags/consumer.ts'
import {formatCount} from '../../lib/cli/render/units.ts'
import {type ConsumerDocument, consumerDocument} from './settings.ts'

export default class ConsumerResume extends BusCommand<ConsumerDocument> {
  static override summary = 'end the pause of a consumer'
  static override examples = [
    {description: 'one consumer', command: '<%= config.bin %> consumer resume ORDERS billing'},
  ]
  static override args = consumerArgs

  async run(): Promise<ConsumerDocument> {
    const {args} = await this.parse(ConsumerResume)
    const {stream, consumer} = args
    await using bus = await this.openBus({writes: true})
    const {consumers} = bus.streams
    const {pausedUntil} = await consumers.info(stream, consumer)
    const document = consumerDocument(await consumers.pause(stream, consumer))
    const lag = `has a lag of ${formatCount(document.lag)}`
    const was = pausedUntil === undefined ? 'was not paused' : 'delivers again'
    if (!this.jsonEnabled()) this.say(`consumer ${consumer} of ${stream} ${was} and ${lag}`)
    return document
  }
}
