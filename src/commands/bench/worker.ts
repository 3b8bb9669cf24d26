import {BusCommand} from '../../lib/cli/base/command.ts'

/** One client of a measurement; `bus bench` starts it and says what to do. */
export default class BenchWorker extends BusCommand {
  static override summary = 'be one client of a measurement, for bus bench itself'
  static override hidden = true

  async run(): Promise<void> {
    await this.parse(BenchWorker)
    const {obey} = await import('./clients.ts')
    await obey()
  }
}
