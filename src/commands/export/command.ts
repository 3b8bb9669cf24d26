import {BusCommand} from '../../lib/cli/base/command.ts'
import {isFailure} from '../../lib/core/errors.ts'
import type {BusDescription} from '../../lib/messaging/description/shape.ts'

export default class Export extends BusCommand<BusDescription> {
  static override summary = 'describe streams, consumers, buckets and event subscriptions in a file for bus apply'
  static override description =
    'YAML to stdout, or with --json JSON. Settings that have their defaults are left out, and so are messages, positions of consumers and subscriptions, and consumers that are removed when they are unused. Secrets of webhooks are masked (***), except references such as env://NAME. Applying it to the same bus changes nothing.'
  static override examples = [
    {description: 'to keep it in git', command: '<%= config.bin %> export > bus.yaml'},
    {description: 'compare a bus with it', command: '<%= config.bin %> export | <%= config.bin %> apply - --dry-run'},
  ]

  async run(): Promise<BusDescription> {
    await this.parse(Export)
    const {describeBus} = await import('../../lib/messaging/description/plan.ts')
    const {eventsBucket} = await import('../../lib/protocols/event-delivery/registry.ts')
    const {describeSubscriptions} = await import('../../lib/protocols/event-delivery/described.ts')
    await using bus = await this.openBus()
    const warn = (sentence: string) => this.say(`warning: ${sentence}`)
    const events = await describeSubscriptions(bus.streams, warn).catch((error: unknown) => {
      if (!isFailure(error, 'denied')) throw error
      warn(`subscriptions of bus events are left out: ${error.message}`)
      return {}
    })
    const description = {
      ...(await describeBus(bus, {ownBuckets: [eventsBucket]})),
      ...(Object.keys(events).length > 0 && {events}),
    }
    if (!this.jsonEnabled()) {
      const {yamlText} = await import('../../lib/checks/yaml.ts')
      this.output.write(yamlText(description))
      await this.output.end()
    }
    return description
  }
}
