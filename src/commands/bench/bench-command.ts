/** What all `bus bench` commands share. */
import type {Role} from '../../lib/bench/job.ts'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {count, percent, text, toggle} from '../../lib/cli/flags/kinds.ts'
import {pacingFlags} from '../../lib/cli/flags/pacing.ts'
import {isTerminal} from '../../lib/cli/io/terminal.ts'
import {type BusFlags, findBus} from '../../lib/cli/target/bus.ts'
import type {RunFlags} from './run.ts'

export abstract class BenchCommand extends BusCommand {
  static override baseFlags = {
    ...BusCommand.baseFlags,
    clients: count('number of clients, each in its own process (default: 1)'),
    for: pacingFlags.for,
    csv: toggle('print CSV with a header line and one line per side', {exclusive: ['json']}),
    baseline: text('compare with the --json output of an earlier run; exit code 9 if this run is slower', '<path>'),
    'max-regression': percent('how much slower than the baseline it may be (default: 10%)', {dependsOn: ['baseline']}),
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
