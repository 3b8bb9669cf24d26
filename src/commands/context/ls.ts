import {BusCommand} from '../../lib/cli/base/command.ts'
import {tableFlags} from '../../lib/cli/flags/table.ts'
import type {ListedContext} from './description.ts'

export default class ContextLs extends BusCommand<readonly ListedContext[]> {
  static override summary = 'list contexts'
  static override description =
    'Lists the contexts of busline and those of the NATS CLI, which busline never changes. * marks the one used by default.'
  static override examples = [
    {description: 'all contexts', command: '<%= config.bin %> context ls'},
    {description: 'their names', command: "<%= config.bin %> context ls --json | jq -r '.[].name'"},
  ]
  static override flags = tableFlags

  async run(): Promise<readonly ListedContext[]> {
    const {flags} = await this.parse(ContextLs)
    const {listContexts} = await import('./description.ts')
    const contexts = listContexts(process.env)
    if (this.jsonEnabled()) return contexts
    if (contexts.length === 0) this.say('no contexts\n  try: bus context add')
    else {
      const heads = ['', 'name', 'bus', 'login', 'from', 'description'].map((head) => ({head}))
      const rows = contexts.map(({name, from, used, url, description, login, problem}) => [
        ...[used ? '*' : '', name, url ?? 'cannot be used', login ?? ''],
        ...[from === 'nats' ? 'NATS CLI' : '', problem ?? description ?? ''],
      ])
      await this.printTable(heads, rows, flags.all)
    }
    return contexts
  }
}
