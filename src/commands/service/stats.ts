import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {tableFlags, watchFlags} from '../../lib/cli/flags/table.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {printableJson} from '../../lib/cli/render/printable.ts'
import {redraw} from '../../lib/cli/render/redraw.ts'
import {table} from '../../lib/cli/render/table.ts'
import {askInstances, endpointColumns, endpointRows, type InstanceDocument, idle, nobodyError} from './instances.ts'

const usualEveryMs = 1000

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
    if (watch) return await this.#watch(() => askInstances(bus, 'STATS', options), flags)
    const instances = await askInstances(bus, 'STATS', options, (line) => this.say(line))
    if (instances.length === 0) {
      if (args.name !== undefined) throw nobodyError(bus, args.name)
      this.say(`found no services on ${bus.url}`)
    } else if (!this.jsonEnabled()) await this.printTable(endpointColumns, instances.flatMap(endpointRows), all)
    return instances
  }

  async #watch(
    ask: () => Promise<readonly InstanceDocument[]>,
    {
      every: everyMs = usualEveryMs,
      for: forMs,
    }: {readonly every?: number | undefined; readonly for?: number | undefined},
  ): Promise<undefined> {
    const isShown = isTerminal(1) && !this.jsonEnabled()
    const paint = await this.paint(1)
    const draw = async () => {
      const instances = await ask()
      if (this.jsonEnabled()) return `${printableJson(JSON.stringify(instances))}\n`
      const width = isShown ? process.stdout.columns || undefined : undefined
      return table(endpointColumns, instances.flatMap(endpointRows), {paint, width, signal: this.stop})
    }
    await redraw(draw, {
      ...{everyMs, forMs, signal: this.stop, rows: isShown ? process.stdout.rows || undefined : undefined},
      between: this.jsonEnabled() ? '' : '\n',
      output: this.output,
    })
    return undefined
  }

  protected override logJson(json: unknown): void {
    if (json !== undefined) super.logJson(json)
  }
}
