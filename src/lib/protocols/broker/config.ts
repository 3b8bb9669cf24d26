import {BusError} from '../../core/errors.ts'
import {checkPattern} from '../../core/subject.ts'
import {isObject} from '../../core/text/json-text.ts'
import type {StreamSettings} from '../../transport/streams-contract.ts'

/** The configuration of a broker. Empty strings count as absent. */
export interface BrokerConfig {
  /** Any bus; default `nats://127.0.0.1:4222`. */
  readonly url?: string | undefined
  /** The stream that stores published messages, with the subjects `<stream>.>`; default `GAME_EVENTS`. */
  readonly stream?: string | undefined
  /** Store messages in the stream; otherwise the broker is plain publish-subscribe. Default false. */
  readonly jetstream?: boolean | undefined
}

/** A configuration with its defaults filled in. */
export type FullBrokerConfig = {readonly [Key in keyof BrokerConfig]-?: NonNullable<BrokerConfig[Key]>}

const defaults: FullBrokerConfig = {url: 'nats://127.0.0.1:4222', stream: 'GAME_EVENTS', jetstream: false}

/** Checks a configuration, which may come from a file, and fills in the defaults. Throws `usage` and names the key. */
export function validate(config: unknown): FullBrokerConfig {
  if (config === undefined || config === null) return defaults
  if (!isObject(config)) throw bad('the configuration is not an object')
  const {url = '', stream = '', jetstream = defaults.jetstream} = config
  if (typeof url !== 'string') throw bad('"url" is not a string')
  if (typeof stream !== 'string') throw bad('"stream" is not a string')
  if (typeof jetstream !== 'boolean') throw bad('"jetstream" is neither true nor false')
  if (/[\s.*>/\\]/.test(stream))
    throw bad(`"stream" cannot be ${JSON.stringify(stream)}: no spaces, "." "*" ">" "/" or "\\"`)
  return {url: url || defaults.url, stream: stream || defaults.stream, jetstream}
}

/** The settings of a broker's stream, used to create it: without limits. */
export function settingsOf(stream: string): StreamSettings & {readonly subjects: readonly [string]} {
  return {name: stream, subjects: [checkPattern(`${stream}.>`)]}
}

function bad(what: string): BusError {
  return new BusError('usage', `broker: ${what}`)
}
