import {BusCommand} from '../../lib/cli/base/command.ts'
import {toggle, variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {prefix} from '../../lib/cli/flags/rpc.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'
import {printableJson} from '../../lib/cli/render/printable.ts'
import {Bounds} from '../../lib/messaging/bounds.ts'
import {discover, type Found, seenIn} from '../../lib/protocols/loom-rpc/discover.ts'
import {defaultPrefix} from '../../lib/protocols/loom-rpc/names.ts'
import type {Transport} from '../../lib/transport/contract.ts'

export default class RpcLs extends BusCommand<Found[] | undefined> {
  static override summary = 'list the available RPC methods'
  static override description =
    'The subscriptions on the bus show which methods are served. If a server does not tell them, only services that answer $SRV.INFO are found, such as those of bus rpc serve. With --watch it keeps running and also shows each method when it is first called.'
  static override examples = [
    {description: 'available methods', command: '<%= config.bin %> rpc ls'},
    {
      description: 'also methods that are called in the next minute',
      command: '<%= config.bin %> rpc ls --watch --for 1m',
    },
  ]
  static override flags = {
    all: tableFlags.all,
    prefix: prefix,
    watch: toggle('keep running, and also show methods when they are called'),
    for: variant(pacingFlags.for, {description: 'with --watch: end after this long', dependsOn: ['watch']}),
  }

  async run(): Promise<Found[] | undefined> {
    const {flags} = await this.parse(RpcLs)
    const {prefix = defaultPrefix, watch} = flags
    await using bus = await this.openBus({stream: watch, writes: true})
    await using calls = watch ? await bus.subscribe(`${prefix}.>`) : undefined
    if (watch) this.say(`listening on ${prefix}.>`)
    const found = await discover(bus, {prefix, signal: this.stop})
    if (calls === undefined) {
      await this.#list(found, bus, flags.all)
      return found
    }
    for (const one of found) this.#show(one)
    using _bounds = new Bounds({forMs: flags.for, signal: this.stop}, () => void calls.drain())
    const seen = new Set(found.map(({subject}) => subject))
    for await (const message of calls) {
      const one = seenIn(message, prefix)
      if (one === undefined || seen.has(one.subject)) continue
      seen.add(one.subject)
      this.#show(one)
      await this.output.ready()
    }
    return undefined
  }

  async #list(found: readonly Found[], bus: Transport, all: boolean): Promise<void> {
    if (found.length === 0) this.say(`found no RPC methods on ${bus.url}`)
    else if (!this.jsonEnabled()) {
      const heads = ['SERVICE', 'METHOD', 'INSTANCE', 'FOUND BY'].map((head) => ({head}))
      const rows = found.map(({service, method, instance, by}) => [service, method, instance, by])
      await this.printTable(heads, rows, all)
    }
  }

  #show(one: Found): void {
    const {service, method, instance, by} = one
    if (this.jsonEnabled()) this.output.write(`${printableJson(JSON.stringify(one))}\n`)
    else this.output.write(`${service} ${method} ${instance} (${by})\n`)
    void this.output.ready()
  }

  protected override logJson(json: unknown): void {
    if (json !== undefined) super.logJson(json)
  }
}
