import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'
import {formatDuration} from '../../lib/cli/render/units.ts'
import {BusError} from '../../lib/core/errors.ts'
import {askInstances, type InstanceDocument, idle, nobodyError} from './instances.ts'

export default class ServicePing extends BusCommand<readonly InstanceDocument[]> {
  static override summary = 'measure how fast the instances of services reply'
  static override description = 'The exit code is 7 if no instance replies to $SRV.PING.'
  static override examples = [
    {description: 'all instances of all services', command: '<%= config.bin %> service ping'},
    {description: 'those of one service', command: '<%= config.bin %> service ping orders'},
  ]
  static override args = {name: argument({description: 'name of the service (default: all)'})}
  static override flags = {all: tableFlags.all, idle}

  async run(): Promise<readonly InstanceDocument[]> {
    const {args, flags} = await this.parse(ServicePing)
    await using bus = await this.openBus({writes: true})
    const options = {name: args.name, timeoutMs: flags.timeout, idleMs: flags.idle, signal: this.stop}
    const instances = await askInstances(bus, 'PING', options, (line) => this.say(line))
    if (instances.length === 0) {
      if (args.name !== undefined) throw nobodyError(bus, args.name)
      throw new BusError('noResponders', `no service replies on ${bus.url}`)
    }
    if (!this.jsonEnabled()) {
      const columns = [
        {head: 'service'},
        {head: 'version'},
        {head: 'instance'},
        {head: 'time', align: 'right'},
      ] as const
      const byTime = [...instances].sort((a, b) => a.ms - b.ms)
      const rows = byTime.map(({name, version, id, ms}) => [name, version ?? '', id, formatDuration(ms)])
      await this.printTable(columns, rows, flags.all)
    }
    return instances
  }
}
