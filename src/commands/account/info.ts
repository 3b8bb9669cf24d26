import {BusCommand} from '../../lib/cli/base/command.ts'
import {factSheet} from '../../lib/cli/render/table.ts'
import {formatBytes, formatCount} from '../../lib/cli/render/units.ts'
import {BusError, isFailure} from '../../lib/core/errors.ts'
import {isObject} from '../../lib/core/text/json-text.ts'
import {serversOf} from '../../lib/messaging/stored/leader.ts'
import type {Facts, Transport, Usage} from '../../lib/transport/contract.ts'
import type {LoginFacts} from '../../lib/transport/examination.ts'

/** What `--json` prints. Figures of connections are absent if the servers do not tell them. */
interface AccountDocument extends LoginFacts {
  readonly connections?: number | undefined
  readonly leafNodes?: number | undefined
  readonly subscriptions?: number | undefined
  readonly jetstream?: Facts['jetstream']
}

export default class AccountInfo extends BusCommand<AccountDocument> {
  static override summary = 'show the account of this login: connections, and usage and limits of JetStream'
  static override description = 'A bus file has no accounts.'
  static override examples = [
    {description: 'as text', command: '<%= config.bin %> account info'},
    {
      description: 'the space that streams take',
      command: '<%= config.bin %> account info --json | jq .jetstream.storage.used',
    },
  ]

  async run(): Promise<AccountDocument> {
    await this.parse(AccountInfo)
    await using bus = await this.openBus()
    if (bus.servers === undefined) throw new BusError('notFound', `${bus.url} has no accounts: it is not a NATS server`)
    const [{jetstream}, examination] = await Promise.all([bus.facts(), bus.examine?.()])
    const login = examination?.login
    const account = {...login, user: login?.user || undefined, ...(await figuresOf(bus, login?.account)), jetstream}
    if (!this.jsonEnabled()) {
      this.output.write(await factSheet(accountFacts(account), await this.paint(1)))
      await this.output.end()
    }
    return account
  }
}

/** The sum of all servers; nothing if the login may not ask. */
async function figuresOf(
  bus: Transport,
  account: string | undefined,
): Promise<Pick<AccountDocument, 'connections' | 'leafNodes' | 'subscriptions'>> {
  try {
    const replies = await serversOf(bus).ask('$SYS.REQ.ACCOUNT.PING.STATZ')
    const all = replies
      .flatMap(({data}) => (Array.isArray(data['account_statz']) ? data['account_statz'] : []))
      .filter(isObject)
    // A login of the system account gets those of all accounts.
    const own = all.filter(({acc}) => account === undefined || acc === account)
    const sum = (member: string) => own.reduce((all, each) => all + Number(each[member] ?? 0), 0)
    return {connections: sum('conns'), leafNodes: sum('leafnodes'), subscriptions: sum('num_subscriptions')}
  } catch (error) {
    if (!isFailure(error, 'denied', 'timeout', 'remote')) throw error
    return {}
  }
}

function accountFacts(document: AccountDocument): Record<string, string | undefined> {
  const {account, user, expiresInMs, connections, leafNodes, subscriptions, jetstream} = document
  const known = jetstream !== undefined && 'memory' in jetstream ? jetstream : undefined
  const count = (value: number | undefined) => (value === undefined ? 'not known' : formatCount(value))
  return {
    account: account ?? 'not known',
    user,
    expires: expiresInMs === undefined ? undefined : `in ${Math.round(expiresInMs / 86_400_000)} d`,
    connections: count(connections),
    'leaf nodes': count(leafNodes),
    subscriptions: count(subscriptions),
    JetStream: jetstream !== undefined && 'missing' in jetstream ? jetstream.missing : undefined,
    memory: known && usageText(known.memory, formatBytes),
    storage: known && usageText(known.storage, formatBytes),
    streams: known && usageText(known.streams, formatCount),
    consumers: known && usageText(known.consumers, formatCount),
  }
}

function usageText({used, limit}: Usage, format: (value: number) => string): string {
  return limit === undefined ? `${format(used)} (no limit)` : `${format(used)} of ${format(limit)}`
}
