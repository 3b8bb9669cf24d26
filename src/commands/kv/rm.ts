import {BusCommand} from '../../lib/cli/base/command.ts'
import {confirm} from '../../lib/cli/base/confirm.ts'
import {streamFlags} from '../../lib/cli/flags/stream.ts'
import {counted, formatBytes} from '../../lib/cli/render/units.ts'
import {bucketArgs, bucketOn} from './settings.ts'

/** What `--json` prints. */
export interface KvRmResult {
  readonly removed: string
  readonly keys: number
}

export default class KvRm extends BusCommand<KvRmResult> {
  static override summary = 'remove a bucket with its keys'
  static override description = 'The command asks for confirmation; without a terminal it needs --yes.'
  static override examples = [{description: 'in a script', command: '<%= config.bin %> kv rm config --yes'}]
  static override args = bucketArgs
  static override flags = {yes: streamFlags.yes}

  async run(): Promise<KvRmResult> {
    const {args, flags} = await this.parse(KvRm)
    await using bus = await this.openBus({writes: true})
    const {config, state} = await bucketOn(bus.streams, args.bucket).info()
    const what = `bucket ${args.bucket} with ${counted(state.subjects, 'key')} (${formatBytes(state.bytes)})`
    await confirm(`remove ${what}`, {yes: flags.yes, signal: this.stop})
    await bus.streams.remove(config.name)
    if (!this.jsonEnabled()) this.say(`removed ${what}`)
    return {removed: args.bucket, keys: state.subjects}
  }
}
