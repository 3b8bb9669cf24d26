import {BusCommand} from '../../lib/cli/base/command.ts'
import {serversOf} from '../../lib/messaging/stored/leader.ts'
import {needsSystemLogin, serverFlags} from './flags.ts'
import {pingReport, type ReportRow, reportTable} from './reports.ts'

export default class ServerPing extends BusCommand<readonly ReportRow[]> {
  static override summary = 'measure how fast each server replies'
  static override description = needsSystemLogin
  static override examples = [
    {description: 'every server', command: '<%= config.bin %> server ping'},
    {description: 'wait longer for servers that are far away', command: '<%= config.bin %> server ping --idle 2s'},
  ]
  static override flags = serverFlags

  async run(): Promise<readonly ReportRow[]> {
    const {flags} = await this.parse(ServerPing)
    await using bus = await this.openBus()
    const options = {timeoutMs: this.timeoutMs, idleMs: flags.idle, signal: this.stop}
    const report = await pingReport(serversOf(bus), options)
    const {columns, cells} = reportTable(report)
    if (!this.jsonEnabled()) await this.printTable(columns, cells, flags.all)
    return report.rows
  }
}
