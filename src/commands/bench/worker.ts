import {BusCommand} from '../../lib/cli/base/command.ts'

/** One client of a measurement, started and controlled by `bus bench`. */
export default class BenchWorker extends BusCommand {
  static override summary = 'run one client of a measurement (started by bus bench)'
  static override hidden = true

  async run(): Promise<void> {
    await this.parse(BenchWorker)
    const {runWorker} = await import('./clients.ts')
    await runWorker()
  }
}
