/** What all `bus bench` commands share. */
import type {Role} from '../../lib/bench/job.ts'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {benchFlags} from '../../lib/cli/flags/bench.ts'
import {bodyFlags} from '../../lib/cli/flags/body.ts'
import {variant} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {type BusFlags, findBus} from '../../lib/cli/target/bus.ts'
import type {RunFlags} from './run.ts'

/** The flags of a command that sends `calls` (the plural of what it counts) and waits for a reply to each. */
export const benchCallFlags = (calls: string) => ({
  msgs: variant(benchFlags.msgs, {
    description: `number of ${calls} in total (default: 10000, or as many as --for allows)`,
  }),
  size: variant(bodyFlags.size, {
    description: 'size of a request, and with --with-serve of a reply, in bytes (default: 128)',
  }),
  rate: variant(pacingFlags.rate, {description: `${calls} per second, minute or hour, all clients together`}),
  subjects: benchFlags.subjects,
  window: variant(pacingFlags.window, {description: `${calls} in flight per client (default: 1, with --rate 1000)`}),
  'with-serve': benchFlags['with-serve'],
})

export abstract class BenchCommand extends BusCommand {
  static override baseFlags = {
    ...BusCommand.baseFlags,
    clients: benchFlags.clients,
    for: pacingFlags.for,
    csv: benchFlags.csv,
    baseline: benchFlags.baseline,
    'max-regression': benchFlags['max-regression'],
  }

  /** Measures and prints as the flags ask. */
  protected async bench(role: Role, given: RunFlags & BusFlags): Promise<void> {
    const {runBench} = await import('./run.ts')
    const {url, server} = await findBus(given, process.env)
    await using bus = await this.openBus({writes: true, stream: given.durable !== undefined})
    await runBench(role, given, {
      ...{bus, url, server: {...server, timeoutMs: this.timeoutMs}, stop: this.stop},
      print: (text) => this.print(text),
      say: (line) => this.say(line),
      columns: isTerminal(1) ? process.stdout.columns : undefined,
    })
  }
}
