/** The subjects of RPC methods: `{prefix}.{service}.{instance}.{method}`; a method may have dots. */
import {BusError} from '../../core/errors.ts'
import {checkSubject} from '../../core/subject.ts'
import type {Identity} from '../../messaging/pubsub/service.ts'

/** The default prefix of method subjects. */
export const defaultPrefix = 'loom.rpc'

/** A method of one instance of a service. */
export interface Method {
  readonly service: string
  /** One instance of the service; `*` in a pattern matches all. */
  readonly instance: string
  readonly method: string
}

/** The subject of a method of one instance. Throws `usage` for names that a subject cannot contain. */
export function subject({service, instance, method}: Method, prefix: string = defaultPrefix): string {
  checkToken('service', service)
  checkToken('instance', instance)
  return checkSubject(`${prefix}.${service}.${instance}.${method}`)
}

/** The pattern of a method of all instances, for subscribing: a message published to it reaches none of them. */
export function wildcardSubject({service, method}: Omit<Method, 'instance'>, prefix: string = defaultPrefix): string {
  checkToken('service', service)
  checkSubject(`${prefix}.${service}.instance.${method}`)
  return `${prefix}.${service}.*.${method}`
}

/** The parts of a subject or pattern; undefined if it is not that of a method. */
export function parseSubject(text: string, prefix: string = defaultPrefix): Method | undefined {
  if (!text.startsWith(`${prefix}.`)) return undefined
  const [service = '', instance = '', ...method] = text.slice(prefix.length + 1).split('.')
  if (service === '' || instance === '' || method.length === 0) return undefined
  return {service, instance, method: method.join('.')}
}

/** The identity under which a method is announced as a NATS service. */
export function announcedAs(subject: string, prefix: string = defaultPrefix): Identity {
  const {service, instance = '*'} = parseSubject(subject, prefix) ?? {service: subject}
  const id = instance === '*' ? crypto.randomUUID() : instance
  return {name: nameOf(service), id: nameOf(id), version: '0.0.0', description: `RPC ${subject}`}
}

/** A name that NATS services may have. */
function nameOf(token: string): string {
  return token.replace(/[^\w-]/g, '_')
}

function checkToken(what: string, token: string): void {
  if (!/[.*>\s]/.test(token) && token !== '') return
  throw new BusError('usage', `the ${what} ${JSON.stringify(token)} is not one token of a subject`, {
    code: 'subject',
    try: ['letters, digits, "-" and "_"'],
  })
}
