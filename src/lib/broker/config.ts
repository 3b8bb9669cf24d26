import {BusError} from '../errors.ts'
import {checkPattern} from '../subject.ts'

/** How a broker is configured. Empty texts count as absent. */
export interface BrokerConfig {
  /** Any bus; default `nats://127.0.0.1:4222`. */
  readonly url?: string | undefined
  /** The stream that keeps what is published, with the subjects `<stream>.>`; default `GAME_EVENTS`. */
  readonly stream?: string | undefined
  /** Keep messages in the stream; otherwise it is plain publish-subscribe. Default false. */
  readonly jetstream?: boolean | undefined
}

export type FullBrokerConfig = {readonly [Key in keyof BrokerConfig]-?: NonNullable<BrokerConfig[Key]>}

const defaults: FullBrokerConfig = {url: 'nats://127.0.0.1:4222', stream: 'GAME_EVENTS', jetstream: false}

/** Checks a configuration, as it may come from a file, and fills in the defaults. Throws `usage`, naming the key. */
export function validate(config: unknown): FullBrokerConfig {
  if (config === undefined || config === null) return defaults
  if (typeof config !== 'object' || Array.isArray(config)) throw bad('the configuration is not an object')
  const {url = '', stream = '', jetstream = defaults.jetstream} = config as Readonly<Record<string, unknown>>
  if (typeof url !== 'string') throw bad('"url" is not text')
  if (typeof stream !== 'string') throw bad('"stream" is not text')
  if (typeof jetstream !== 'boolean') throw bad('"jetstream" is neither true nor false')
  if (/[\s.*>/\\]/.test(stream))
    throw bad(`"stream" cannot be ${JSON.stringify(stream)}: no spaces, "." "*" ">" "/" or "\\"`)
  return {url: url || defaults.url, stream: stream || defaults.stream, jetstream}
}

/** The subjects of a broker's stream. */
export function subjectsOf(stream: string): string {
  return checkPattern(`${stream}.>`)
}

function bad(what: string): BusError {
  return new BusError('usage', `broker: ${what}`)
}
