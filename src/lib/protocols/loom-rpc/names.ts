/** The subjects of RPC methods: `{prefix}.{service}.{instance}.{method}`; a method may have dots. */
import {BusError} from '../../core/errors.ts'
import {checkSubject} from '../../core/subject.ts'

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

function checkToken(what: string, token: string): void {
  if (!/[.*>\s]/.test(token) && token !== '') return
  throw new BusError('usage', `the ${what} ${JSON.stringify(token)} is not one token of a subject`, {
    try: ['letters, digits, "-" and "_"'],
  })
}
