/** The subjects of the JetStream API: those of a domain, or of an account that imports the API of another one (ADR-1, ADR-24). */
import {BusError} from '../../core/errors.ts'
import {checkSubject} from '../../core/subject.ts'
import type {ServerOptions} from '../contract.ts'

export const usualApiPrefix = '$JS.API'

/** Without a dot at its end. Throws `usage`. */
export function apiPrefixOf(jetStream: ServerOptions['jetStream']): string {
  if (jetStream === undefined) return usualApiPrefix
  if ('apiPrefix' in jetStream) return checkSubject(jetStream.apiPrefix.replace(/\.$/, ''))
  const {domain} = jetStream
  if (/^[^\s.*>]+$/.test(domain)) return `$JS.${domain}.API`
  throw new BusError('usage', `${JSON.stringify(domain)} is not the name of a JetStream domain`)
}
