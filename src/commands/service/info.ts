import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {factSheet} from '../../lib/cli/render/table.ts'
import {askInstances, type InstanceDocument, idle, instanceFacts, nobodyError} from './instances.ts'

export default class ServiceInfo extends BusCommand<readonly InstanceDocument[]> {
  static override summary = 'show how the instances of a service describe themselves'
  static override description = 'The exit code is 7 if no instance replies to $SRV.INFO.'
  static override examples = [{description: 'endpoints and metadata', command: '<%= config.bin %> service info orders'}]
  static override args = {name: argument({description: 'name of the service', required: true})}
  static override flags = {idle}

  async run(): Promise<readonly InstanceDocument[]> {
    const {args, flags} = await this.parse(ServiceInfo)
    await using bus = await this.openBus({writes: true})
    const options = {name: args.name, timeoutMs: flags.timeout, idleMs: flags.idle, signal: this.stop}
    const instances = await askInstances(bus, 'INFO', options, (line) => this.say(line))
    if (instances.length === 0) throw nobodyError(bus, args.name)
    if (!this.jsonEnabled()) {
      const paint = await this.paint(1)
      const sheets = await Promise.all(instances.map((instance) => factSheet(instanceFacts(instance), paint)))
      this.output.write(sheets.join('\n'))
      await this.output.end()
    }
    return instances
  }
}
