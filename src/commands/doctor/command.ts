import {BusCommand} from '../../lib/cli/base/command.ts'
import * as flags from '../../lib/cli/flags/flags.ts'
import {findBus} from '../../lib/cli/target/bus.ts'
import {findingLines} from './finding.ts'

export default class Doctor extends BusCommand {
  static override summary = 'look for what is wrong with the installation and with a bus'
  static override description = [
    'The installation: versions, where contexts lie, and who else can read them. A server: name, connection, TLS, login, round trip, version, JetStream and its limits, clock, streams and how far consumers are behind. A bus file: size, WAL, integrity, clients, permissions, streams and consumers.',
    'Each line is ok, a warning or a failure, with what to do. Exit codes: 0 nothing failed, 3 the bus cannot be opened, 9 something else failed.',
  ].join('\n\n')
  static override examples = [
    {description: 'the bus that is meant now', command: '<%= config.bin %> doctor'},
    {description: 'a server', command: '<%= config.bin %> doctor --bus tls://nats.example.com --creds my.creds'},
    {description: 'also repair what is safe to repair', command: '<%= config.bin %> doctor --bus ./bus.db --fix'},
    {
      description: 'only what is not well',
      command: `<%= config.bin %> doctor --json | jq -r '.findings[] | select(.verdict != "ok") | .text'`,
    },
  ]
  static override flags = {fix: flags.fix()}

  async run(): Promise<void> {
    const {flags} = await this.parse(Doctor)
    const {diagnose} = await import('./examination.ts')
    const {failureOf} = await import('./finding.ts')
    const {url, why, server} = await findBus(flags, process.env)
    const paint = await this.paint(1)
    const {report, unopened} = await diagnose({
      ...{url, why, env: process.env, version: this.config.version, fix: flags.fix},
      inboxPrefix: server.inboxPrefix,
      open: () => this.openBus(),
      tell: (finding) => this.log(findingLines(finding, paint).trimEnd()),
      repaired: (did) => this.log(`fixed    ${did}`),
    })
    if (this.jsonEnabled()) this.logJson(report)
    const failure = failureOf(report.findings, unopened)
    if (failure !== undefined) throw failure
  }
}
