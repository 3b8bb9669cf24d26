import {BusCommand} from '../../lib/cli/base/command.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'
import {askInstances, type InstanceDocument, idle, instanceColumns, instanceRow} from './instances.ts'

export default class ServiceLs extends BusCommand<readonly InstanceDocument[]> {
  static override summary = 'list the instances of services, with their requests, errors and mean times'
  static override description =
    'Each instance of a NATS service replies to $SRV.STATS. The list ends when no further instance has replied for 300 ms; --idle changes that for busy or remote instances.'
  static override examples = [
    {description: 'all instances', command: '<%= config.bin %> service ls'},
    {description: 'as JSON', command: '<%= config.bin %> service ls --json'},
  ]
  static override flags = {all: tableFlags.all, idle}

  async run(): Promise<readonly InstanceDocument[]> {
    const {flags} = await this.parse(ServiceLs)
    await using bus = await this.openBus({writes: true})
    const instances = await askInstances(
      bus,
      'STATS',
      {
        timeoutMs: flags.timeout,
        idleMs: flags.idle,
        signal: this.stop,
      },
      (line) => this.say(line),
    )
    if (instances.length === 0) this.say(`found no services on ${bus.url}`)
    else if (!this.jsonEnabled()) await this.printTable(instanceColumns, instances.map(instanceRow), flags.all)
    return instances
  }
}
