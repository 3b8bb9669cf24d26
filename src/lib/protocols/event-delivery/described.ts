/** The durable subscriptions of a description of a bus: what has to be done so that they are as described, and the description. */
import {isDeepStrictEqual} from 'node:util'
import {BusError, isFailure} from '../../core/errors.ts'
import {reworded} from '../../core/rewording.ts'
import type {PlanStep} from '../../messaging/description/plan.ts'
import type {DescribedSubscription} from '../../messaging/description/shape.ts'
import {shownWebhook} from '../../messaging/sinks/webhook-options.ts'
import type {Streams} from '../../transport/streams-contract.ts'
import {compileEventFilter, parseEventFilter} from './filter.ts'
import {changedSubscription, openRegistry, type Wish} from './registry.ts'
import {checkSubscriptionName, type EventSubscription, type Options, optionsJson, parseOptions} from './subscription.ts'

/** By stream, and by name. */
type Described = Readonly<Record<string, Readonly<Record<string, DescribedSubscription>>>>

/** What lists show in place of a secret. */
const mask = '***'

/** Parses the options of a durable subscription of this transport. Throws `usage`, also for one that it does not have. */
export async function durableOptions(transport: string, json: unknown): Promise<Options> {
  if (transport === 'webhooks') {
    const {webhooks} = await import('./webhooks.ts')
    return webhooks({timeoutMs: 1}).validateOptions(json)
  }
  const options = parseOptions(json, {withData: transport !== 'websockets'})
  const [unknown] = Object.keys(options.plugin)
  if (unknown === undefined) return options
  throw new BusError('usage', `a subscription of transport ${transport} has no option "${unknown}"`)
}

/**
 * Fails with `usage` for a subscription that is not possible, and for a new one with a masked secret; with `notFound` without its
 * stream, unless that is one of `made`, which are made before.
 */
export async function planSubscriptions(
  streams: Streams,
  described: Described,
  {prune, made}: {readonly prune: boolean; readonly made: readonly string[]},
): Promise<readonly PlanStep[]> {
  const steps: PlanStep[] = []
  const known = await (await openRegistry(streams, {make: false})).list()
  const registry = () => openRegistry(streams)
  for (const old of known) {
    const {namespace, name} = old
    const wanted = described[namespace]
    if (!prune || wanted === undefined || name in wanted) continue
    const run = async () => (await registry()).remove(namespace, name)
    steps.push({what: whatOf(old), action: 'remove', before: settingsOf(old), after: {}, run})
  }
  for (const [namespace, each] of Object.entries(described))
    for (const [name, subscription] of Object.entries(each)) {
      const wish = await wishOf(namespace, name, subscription)
      const old = known.find((one) => one.namespace === namespace && one.name === name)
      const wanted = old === undefined ? wish : changedSubscription(old, wish)
      if (wanted === undefined || (old !== undefined && looksSame(old, wish))) continue
      checkUnmasked(wish)
      if (old === undefined && !made.includes(namespace)) await streams.info(namespace)
      const run = async () => (await registry()).add(wish, {replace: true})
      const action = old === undefined ? 'create' : 'change'
      steps.push({what: whatOf(wish), action, before: old ? settingsOf(old) : {}, after: settingsOf(wanted), run})
    }
  return steps
}

/** All subscriptions, without their positions and with masked secrets. `onInvalid` is called for one that cannot be read. */
export async function describeSubscriptions(
  streams: Streams,
  onInvalid: (sentence: string) => void,
): Promise<Described> {
  const registry = await openRegistry(streams, {make: false, onInvalid})
  const described: Record<string, Record<string, DescribedSubscription>> = {}
  for (const each of await registry.list()) {
    const {namespace, name} = each
    const all = described[namespace] ?? {}
    described[namespace] = all
    all[name] = describedSubscription(each)
  }
  return described
}

type Settings = Pick<EventSubscription, 'transport' | 'filter' | 'options'>

/** Without what has its default, and without the start, which is a position. */
function describedSubscription({transport, filter, options}: Settings): DescribedSubscription {
  const defaults = optionsJson(parseOptions({batch: options.batch}, {withData: transport !== 'websockets'}))
  const own = Object.entries({...optionsJson(options), firstEvent: undefined}).filter(
    ([name, value]) => value !== undefined && (name === 'batch' ? value : value !== defaults[name]),
  )
  const shown = transport === 'webhooks' ? shownWebhook(Object.fromEntries(own)) : Object.fromEntries(own)
  return {
    ...(transport !== 'websockets' && {transport: transport as DescribedSubscription['transport']}),
    ...(Object.keys(filter).length > 0 && {filter: {...filter}}),
    ...(own.length > 0 && {options: shown}),
  }
}

async function wishOf(
  namespace: string,
  name: string,
  {transport = 'websockets', filter: given, options: json}: DescribedSubscription,
): Promise<Wish> {
  try {
    const filter = parseEventFilter(given)
    await compileEventFilter(filter)
    return {
      namespace,
      name: checkSubscriptionName(name),
      transport,
      filter,
      options: await durableOptions(transport, json),
    }
  } catch (error) {
    throw isFailure(error, 'usage') ? reworded(error, `${whatOf({namespace, name})}: ${error.message}`) : error
  }
}

/** For display. */
function settingsOf(each: Settings): object {
  const {transport = 'websockets', filter, options} = describedSubscription(each)
  return {transport, filter, ...options}
}

/** Whether it is what `bus export` wrote of this subscription, with masked secrets. */
function looksSame(old: Settings, wish: Settings): boolean {
  return isMasked(wish) && isDeepStrictEqual(describedSubscription(old), describedSubscription(wish))
}

function isMasked({options}: Settings): boolean {
  return JSON.stringify(options.plugin).includes(mask)
}

function checkUnmasked(wish: Wish): void {
  if (isMasked(wish))
    throw new BusError('usage', `${whatOf(wish)} has a masked secret (${mask}), as listings show it`, {
      try: ['write env://NAME or file://PATH in its place, which is resolved where the webhook is called'],
    })
}

function whatOf({namespace, name}: Pick<Wish, 'namespace' | 'name'>): string {
  return `subscription ${name} of ${namespace}`
}
