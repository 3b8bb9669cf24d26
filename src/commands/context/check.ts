import {string} from '@oclif/core/args'
import {BusCommand} from '../../lib/cli/base/command.ts'
import {excluding} from '../../lib/cli/base/flag-rules.ts'
import {factSheet} from '../../lib/cli/render/table.ts'
import type {Health} from './health.ts'

export default class ContextCheck extends BusCommand<Health> {
  static override summary = 'connect, and show how the bus is'
  static override description =
    'Software and version, how long it takes to answer, the largest payload; of a server JetStream and the limits of the account, of a bus file its size. Exit codes: 3 cannot connect, 4 the login is refused.'
  static override examples = [
    {description: 'a context', command: '<%= config.bin %> context check prod'},
    {description: 'the bus that is meant now', command: '<%= config.bin %> context check'},
    {description: 'any bus', command: '<%= config.bin %> context check --bus nats://127.0.0.1:4222 --creds my.creds'},
  ]
  static override args = {name: string({description: 'which one; else the bus that is meant now'})}

  async run(): Promise<Health> {
    const {args, flags} = await this.parse(ContextCheck)
    const {name} = args
    excluding({...flags, name}, 'context', 'name')
    const {healthOf, healthFacts} = await import('./health.ts')
    await using bus = await this.openBus({context: name})
    const health = await healthOf(bus)
    if (!this.jsonEnabled()) this.print(await factSheet(healthFacts(health), await this.paint(1)))
    return health
  }
}
