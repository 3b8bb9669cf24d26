/** What a server reports about a connection: its login, its clock, and features that it lacks. */
import {isFailure} from '../../core/errors.ts'
import type {Transport} from '../contract.ts'
import type {Examination, TlsFacts} from '../examination.ts'

interface UserInfo {
  readonly server?: {readonly time?: string}
  readonly data?: {
    readonly user?: string
    readonly account?: string
    /** Nanoseconds. */
    readonly expires?: number
  }
}

/** Requests the user info, which includes the server's time. Old servers and restricted logins provide neither. */
export async function examineNats(
  bus: Pick<Transport, 'request'>,
  version: string,
  tls: TlsFacts | undefined,
): Promise<Examination> {
  const asked = Date.now()
  const info = await userInfo(bus)
  const answered = Date.now()
  const {user, account, expires} = info?.data ?? {}
  const time = Date.parse(info?.server?.time ?? '')
  return {
    tls,
    lacks: lacksOf(version),
    ...(Number.isFinite(time) && {clockAheadMs: Math.round(time - (asked + answered) / 2)}),
    ...(info?.data && {
      login: {user, account, ...(expires !== undefined && expires > 0 && {expiresInMs: expires / 1e6})},
    }),
  }
}

async function userInfo(bus: Pick<Transport, 'request'>): Promise<UserInfo | undefined> {
  try {
    const reply = await bus.request({subject: '$SYS.REQ.USER.INFO'}, {timeoutMs: 2000})
    return JSON.parse(reply.text) as UserInfo
  } catch (error) {
    const isSilent = isFailure(error, 'noResponders', 'denied', 'timeout')
    if (isSilent || error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Features that busline uses and that older servers lack. */
const features: readonly (readonly [major: number, minor: number, what: string])[] = [
  [2, 9, 'busline is tested with 2.9 and later'],
  [2, 10, 'several filters of one consumer'],
  [2, 14, 'moving a consumer without recreating it'],
]

function lacksOf(version: string): string[] {
  const [major = 0, minor = 0] = version.split(/[.-]/).map(Number)
  return features
    .filter(([since, from]) => major < since || (major === since && minor < from))
    .map(([since, from, what]) => `${what} (${since}.${from})`)
}
