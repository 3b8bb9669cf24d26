/** What all `bus bench` commands share. */
import type {Role} from '../../bench/job.ts'
import {type BusFlags, findBus} from '../bus.ts'
import {BusCommand} from '../command.ts'
import {excluding, needing} from '../excluding.ts'
import {isTerminal} from '../terminal.ts'
import type {RunFlags} from './run.ts'

export abstract class BenchCommand extends BusCommand {
  /** Measures and prints, as the flags say. */
  protected async bench(role: Role, flags: RunFlags & BusFlags): Promise<void> {
    excluding({...flags}, 'csv', 'json')
    needing({...flags}, 'max-regression', 'baseline')
    const {runBench} = await import('./run.ts')
    const {url, server} = await findBus(flags, process.env)
    await using bus = await this.openBus()
    await runBench(role, flags, {
      ...{bus, url, server, stop: this.stop},
      print: (text) => this.print(text),
      say: (line) => this.say(line),
      columns: isTerminal(1) ? process.stdout.columns : undefined,
    })
  }
}
