import {BusCommand} from '../../lib/cli/base/command.ts'
import {toggle} from '../../lib/cli/flags/kinds.ts'
import {findBus} from '../../lib/cli/target/bus.ts'
import {findingLines} from './finding.ts'

export default class Doctor extends BusCommand {
  static override summary = 'find problems with the installation and with a bus'
  static override description = [
    'Installation: versions, the location of contexts and who can read them. Server: name resolution, connection, TLS, login, round trip, version, JetStream and its limits, clock, streams and consumer lag; to measure the rate, it sends 2,000 small messages to its own inbox. Bus file: size, WAL, integrity, clients, permissions, streams and consumers.',
    'Each line is ok, a warning or a failure, with hints. Exit codes: 0 no failures, 3 the bus cannot be opened, 9 any other failure.',
  ].join('\n\n')
  static override examples = [
    {description: 'the current bus', command: '<%= config.bin %> doctor'},
    {description: 'a server', command: '<%= config.bin %> doctor --bus tls://nats.example.com --creds my.creds'},
    {description: 'also repair what can be repaired safely', command: '<%= config.bin %> doctor --bus ./bus.db --fix'},
    {
      description: 'warnings and failures only',
      command: `<%= config.bin %> doctor --json | jq -r '.findings[] | select(.verdict != "ok") | .text'`,
    },
  ]
  static override flags = {fix: toggle('make the safe repairs, and report each one')}

  async run(): Promise<void> {
    const {flags} = await this.parse(Doctor)
    const {diagnose} = await import('./examination.ts')
    const {doctorFailure} = await import('./finding.ts')
    const {url, why, server} = await findBus(flags, process.env)
    const paint = await this.paint(1)
    const {document, unopened} = await diagnose({
      ...{url, why, env: process.env, version: this.version, fix: flags.fix},
      inboxPrefix: server.inboxPrefix,
      open: () => this.openBus(),
      report: (finding) => this.log(findingLines(finding, paint).trimEnd()),
      repaired: (did) => this.log(`fixed    ${did}`),
    })
    if (this.jsonEnabled()) this.logJson(document)
    const failure = doctorFailure(document.findings, unopened)
    if (failure !== undefined) throw failure
  }
}
