/** What all `bus bench` commands share. */
import type {Role} from '../../lib/bench/job.ts'
import {BusCommand} from '../../lib/cli/base/command.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {type BusFlags, findBus} from '../../lib/cli/target/bus.ts'
import type {RunFlags} from './run.ts'

export abstract class BenchCommand extends BusCommand {
  static override baseFlags = {
    ...BusCommand.baseFlags,
    clients: flags.clients(),
    for: flags.for(),
    csv: flags.csv({exclusive: ['json']}),
    baseline: flags.baseline(),
    'max-regression': flags.maxRegression({dependsOn: ['baseline']}),
  }

  /** Measures and prints as the flags ask. */
  protected async bench(role: Role, given: RunFlags & BusFlags): Promise<void> {
    const {runBench} = await import('./run.ts')
    const {url, server} = await findBus(given, process.env)
    await using bus = await this.openBus()
    await runBench(role, given, {
      ...{bus, url, server, stop: this.stop},
      print: (text) => this.print(text),
      say: (line) => this.say(line),
      columns: isTerminal(1) ? process.stdout.columns : undefined,
    })
  }
}
