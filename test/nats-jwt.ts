/** JSON web tokens of an operator, its accounts and their users in the format of NATS: enough for login tests. */
import {nkeys} from '@nats-io/transport-node'

type KeyPair = ReturnType<typeof nkeys.createUser>

export interface Credentials {
  readonly jwt: string
  readonly seed: string
  /** The text of a credentials file. */
  readonly creds: string
}

/** An operator with one account. */
export class TestOperator {
  readonly #operator = nkeys.createOperator()
  readonly #account = nkeys.createAccount()

  /** Its part of a server's configuration. */
  get config(): string {
    const operator = token(this.#operator, this.#operator, {type: 'operator'})
    const unlimited = {subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1}
    const account = token(this.#account, this.#operator, {type: 'account', limits: unlimited})
    return `operator: ${operator}\nresolver: MEMORY\nresolver_preload: {${this.#account.getPublicKey()}: ${account}}`
  }

  /** `expires` in seconds since 1970. */
  user({expires}: {expires?: number} = {}): Credentials {
    const user = nkeys.createUser()
    const claims = {type: 'user', subs: -1, data: -1, payload: -1}
    const jwt = token(user, this.#account, claims, expires)
    const seed = new TextDecoder().decode(user.getSeed())
    const block = (what: string, text: string) => `-----BEGIN ${what}-----\n${text}\n------END ${what}------\n\n`
    return {jwt, seed, creds: block('NATS USER JWT', jwt) + block('USER NKEY SEED', seed)}
  }
}

/** A user's nkey. */
export function makeNkey(): {readonly seed: string; readonly publicKey: string} {
  const user = nkeys.createUser()
  return {seed: new TextDecoder().decode(user.getSeed()), publicKey: user.getPublicKey()}
}

function token(subject: KeyPair, issuer: KeyPair, nats: object, expires?: number): string {
  const claims = {
    iat: Math.floor(Date.now() / 1000) - 60,
    ...(expires !== undefined && {exp: expires}),
    iss: issuer.getPublicKey(),
    name: 'test',
    sub: subject.getPublicKey(),
    nats: {...nats, version: 2},
  }
  const parts = [{typ: 'JWT', alg: 'ed25519-nkey'}, claims].map((part) => encoded(JSON.stringify(part)))
  const signature = issuer.sign(new TextEncoder().encode(parts.join('.')))
  return [...parts, Buffer.from(signature).toString('base64url')].join('.')
}

function encoded(text: string): string {
  return Buffer.from(text).toString('base64url')
}
