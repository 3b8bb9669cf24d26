/** `events serve`: from flags to plugins and their configuration. */
import type {Output} from '../../lib/cli/io/output.ts'
import {programStderr} from '../../lib/cli/io/terminal.ts'
import {BusError} from '../../lib/core/errors.ts'
import {programTimeoutMs} from '../../lib/core/process/exec.ts'
import {recordWriter} from '../../lib/core/record.ts'
import {checkExposure, parseAddress} from '../../lib/protocols/event-delivery/admission.ts'
import type {EventPlugin} from '../../lib/protocols/event-delivery/plugin.ts'
import {type SinkPluginConfig, sinkPlugin} from '../../lib/protocols/event-delivery/sink-plugin.ts'
import type {WebSocketsConfig} from '../../lib/protocols/event-delivery/websockets.ts'

export interface GatewayFlags {
  readonly ws?: string | undefined
  readonly webhooks: boolean
  readonly exec: boolean
  readonly 'exec-timeout'?: number | undefined
  readonly stdout: boolean
  readonly token?: string | undefined
  readonly 'allow-anonymous': boolean
  readonly 'allow-origin'?: readonly string[] | undefined
  readonly 'allow-namespace'?: readonly string[] | undefined
  readonly 'max-connections'?: number | undefined
  readonly 'max-frame'?: number | undefined
  readonly 'max-in-flight'?: number | undefined
  readonly 'max-in-flight-bytes'?: number | undefined
  readonly 'idle-timeout'?: number | undefined
  readonly timeoutMs: number
}

/** The configuration of WebSockets, if they are served. Throws `usage`, and `denied` for an exposed address without protection. */
export function socketsConfig(
  flags: GatewayFlags,
  warn: (line: string) => void,
): Partial<WebSocketsConfig> | undefined {
  const {ws, token, 'allow-anonymous': anonymous, 'allow-origin': origins = []} = flags
  if (ws === undefined && (flags.webhooks || flags.exec || flags.stdout)) return undefined
  if (token === '') throw new BusError('usage', '--token is empty')
  const address = parseAddress(ws ?? '127.0.0.1:5599')
  checkExposure(address, token, anonymous)
  for (const origin of origins) checkOrigin(origin)
  const limits = {maxConnections: flags['max-connections'], maxFrame: flags['max-frame'], idleMs: flags['idle-timeout']}
  const given = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
  return {address, admission: {token, anonymous, origins}, warn, ...given}
}

/** The other plugins that the flags ask for. */
export async function localPlugins(
  flags: GatewayFlags,
  argv: readonly string[],
  output: Output,
  userAgent: string,
): Promise<readonly EventPlugin<SinkPluginConfig>[]> {
  const plugins: EventPlugin<SinkPluginConfig>[] = []
  if (flags.webhooks) {
    const {webhooks} = await import('../../lib/protocols/event-delivery/webhooks.ts')
    plugins.push(webhooks({timeoutMs: flags.timeoutMs, userAgent}))
  }
  if (flags.exec) {
    const {programSink} = await import('../../lib/messaging/sinks/programs.ts')
    const timeoutMs = flags['exec-timeout'] ?? programTimeoutMs
    const onStdout = (data: Uint8Array) => {
      output.write(data)
      return output.ready()
    }
    const open = () => ({sink: programSink({argv, concurrency: 1, timeoutMs, onStderr: programStderr(), onStdout})})
    plugins.push(sinkPlugin({name: 'exec', open}))
  }
  if (flags.stdout) plugins.push(sinkPlugin({name: 'stdout', open: () => ({sink: recordSink(output)})}))
  return plugins
}

function recordSink(output: Output) {
  const write = recordWriter()
  return {
    batch: 512,
    depth: 4,
    async take(messages: Parameters<typeof write>[0][]) {
      for (const message of messages) output.write(`${write(message)}\n`)
      if (!(await output.written())) throw new BusError('interrupted', 'the reader of stdout is gone')
      return undefined
    },
    async [Symbol.asyncDispose]() {},
  }
}

function checkOrigin(origin: string): void {
  if (origin === '*' || URL.parse(origin)?.origin === origin) return
  throw new BusError('usage', `${JSON.stringify(origin)} is not an origin`, {
    try: ['--allow-origin https://app.example'],
  })
}
