import {BusCommand} from '../../lib/cli/base/command.ts'
import {serversOf} from '../../lib/messaging/stored/leader.ts'
import {needsSystemLogin, serverFlags} from './flags.ts'
import {type ReportRow, reportTable, serverList} from './reports.ts'

export default class ServerLs extends BusCommand<readonly ReportRow[]> {
  static override summary = 'list the servers with their connections, memory and load'
  static override description = needsSystemLogin
  static override examples = [
    {description: 'with a login of the system account', command: '<%= config.bin %> server ls'},
    {description: 'the version of each', command: '<%= config.bin %> server ls --json | jq -r ".[].version"'},
  ]
  static override flags = serverFlags

  async run(): Promise<readonly ReportRow[]> {
    const {flags} = await this.parse(ServerLs)
    await using bus = await this.openBus()
    const options = {timeoutMs: this.timeoutMs, idleMs: flags.idle, signal: this.stop}
    const report = await serverList(serversOf(bus), options)
    const {columns, cells} = reportTable(report)
    if (!this.jsonEnabled()) await this.printTable(columns, cells, flags.all)
    return report.rows
  }
}
