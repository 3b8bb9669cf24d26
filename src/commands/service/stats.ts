import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {tableFlags, watchFlags} from '../../lib/cli/flags/table.ts'
import {watchTable} from '../../lib/cli/render/redraw.ts'
import {askInstances, endpointColumns, endpointRows, type InstanceDocument, idle, nobodyError} from './instances.ts'

export default class ServiceStats extends BusCommand<readonly InstanceDocument[] | undefined> {
  static override summary = 'show the requests, errors and mean time of each endpoint'
  static override description =
    'The exit code is 7 if no instance of the named service replies to $SRV.STATS. With --watch it keeps running, also while no instance replies.'
  static override examples = [
    {description: 'all endpoints', command: '<%= config.bin %> service stats'},
    {
      description: 'those of one service, every two seconds',
      command: '<%= config.bin %> service stats orders --watch --every 2s',
    },
  ]
  static override args = {name: argument({description: 'name of the service (default: all)'})}
  static override flags = {all: tableFlags.all, idle, ...watchFlags}

  async run(): Promise<readonly InstanceDocument[] | undefined> {
    const {args, flags} = await this.parse(ServiceStats)
    const {watch, all, timeout, idle} = flags
    await using bus = await this.openBus({stream: watch, writes: true})
    const options = {name: args.name, timeoutMs: timeout, idleMs: idle, signal: this.stop}
    if (watch) {
      const read = () => askInstances(bus, 'STATS', options)
      const view = {json: this.jsonEnabled(), paint: await this.paint(1), output: this.output, signal: this.stop}
      await watchTable({columns: endpointColumns, read, cells: endpointRows}, {...flags, ...view})
      return undefined
    }
    const instances = await askInstances(bus, 'STATS', options, (line) => this.say(line))
    if (instances.length === 0) {
      if (args.name !== undefined) throw nobodyError(bus, args.name)
      this.say(`found no services on ${bus.url}`)
    } else if (!this.jsonEnabled()) await this.printTable(endpointColumns, instances.flatMap(endpointRows), all)
    return instances
  }
}
