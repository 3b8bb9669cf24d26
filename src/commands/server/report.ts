import {BusCommand} from '../../lib/cli/base/command.ts'
import {argument} from '../../lib/cli/flags/kinds.ts'
import {BusError} from '../../lib/core/errors.ts'
import {serversOf} from '../../lib/messaging/stored/leader.ts'
import {needsSystemLogin, serverFlags} from './flags.ts'
import {type ReportRow, reports, reportTable} from './reports.ts'

export default class ServerReport extends BusCommand<readonly ReportRow[]> {
  static override summary = 'report the connections, accounts, JetStream or health of all servers'
  static override description =
    `${needsSystemLogin} With another login connections and accounts show its own account only.`
  static override examples = [
    {
      description: 'who is connected, and how much waits for each',
      command: '<%= config.bin %> server report connections',
    },
    {description: 'what JetStream uses on each server', command: '<%= config.bin %> server report jetstream'},
    {description: 'is each server well?', command: '<%= config.bin %> server report health'},
  ]
  static override args = {
    report: argument({description: 'connections, accounts, jetstream or health', required: true}),
  }
  static override flags = serverFlags

  async run(): Promise<readonly ReportRow[]> {
    const {args, flags} = await this.parse(ServerReport)
    const reporter = Object.hasOwn(reports, args.report) ? reports[args.report] : undefined
    if (reporter === undefined)
      throw new BusError('usage', `there is no report ${JSON.stringify(args.report)}`, {try: Object.keys(reports)})
    await using bus = await this.openBus()
    const options = {timeoutMs: this.timeoutMs, idleMs: flags.idle, signal: this.stop}
    const report = await reporter(serversOf(bus), options)
    const {columns, cells} = reportTable(report)
    if (report.rows.length === 0) this.say(`no ${args.report} on ${bus.url}`)
    else if (!this.jsonEnabled()) await this.printTable(columns, cells, flags.all)
    return report.rows
  }
}
