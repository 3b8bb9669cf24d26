import assert from 'node:assert/strict'
import {
  busUrl,
  type Context,
  type ContextFields,
  checkContextName,
  parseFields,
  readTarget,
} from '../../../src/lib/cli/target/context.ts'
import {
  isReference,
  lastingPath,
  material,
  pathOf,
  readSecretText as secretOf,
} from '../../../src/lib/cli/target/secret-values.ts'
import {reach} from '../../../src/lib/cli/target/server.ts'
import {withoutSecrets} from '../../../src/lib/core/secrets.ts'
import {partsOf, refused, type Target, textOf} from '../target.ts'

const env = {HOME: '/nowhere', TOKEN: 'hunter2', EMPTY: ''}

/** Context files of busline and of the NATS CLI; the references in their values; URLs. */
export const target: Target = {
  seeds: [
    '{"url":"nats://127.0.0.1:4222","user":"ann","password":"p","timeout":"5s"}',
    '{"description":"","url":"tls://a,b:4223","token":"env://TOKEN","user":"","creds":"~/a.creds","nkey":"","cert":"","key":"","ca":"","nsc":"","jetstream_domain":"","inbox_prefix":"","user_jwt":"","color_scheme":"","tls_first":false}',
    '{"url":"sqlite:./bus.db","creds":"data:;base64,YQ==","socks_proxy":null}',
    '{"creds":"file://$HOME/x","ca":"op://a/b","key":"env://EMPTY"}',
    'nats://ann:hunter2@127.0.0.1:4222,nats://hunter2@b/?token=hunter2',
  ],
  words: [
    ...[
      '"url":"',
      '"user":"',
      '"password":"',
      '"token":"',
      '"creds":"',
      '"nkey":"',
      '"user_jwt":"',
      '"timeout":"',
      '"ca":',
    ],
    ...[
      'env://',
      'file://',
      'data:;base64,',
      'op://',
      '~',
      '$HOME',
      '${',
      'nats://',
      '@',
      ':',
      'libbus:',
      '.db',
      'null',
      ',',
    ],
  ],
  run(bytes) {
    const text = textOf(bytes)
    const parsed = refused(() => parseFields(text, '/c.json'))
    if (parsed !== undefined) assertContext(parsed.fields)
    const [first = '', second = ''] = partsOf(bytes, 2)
    refused(() => checkContextName(first))
    refused(() => busUrl(first))
    lastingPath(first)
    isReference(first)
    // Files of this machine are not read.
    if (!/file:|^[^:]*$/i.test(first)) refused(() => secretOf(first, 'it', env))
    for (const read of [material, pathOf]) refused(() => read(first, 'it', env))
    assertHidden(first, second)
  },
}

function assertContext(fields: ContextFields): void {
  const where = refused(() => readTarget(fields, '/c.json'))
  if (where === undefined || Object.values(fields).some((value) => /file:/i.test(String(value)))) return
  const context: Context = {name: 'c', from: 'nats', path: '/c.json', ...where, fields, isLoose: false, unknown: []}
  refused(() => reach({url: undefined, context, why: 'the context'}, {}, env))
}

/** A password that a URL can contain is not shown. */
function assertHidden(user: string, rest: string): void {
  if (!/^\w{0,20}$/.test(user) || !/^[\w.:/?&=-]{0,80}$/.test(rest)) return
  for (const url of [
    `nats://${user}:Hunter-2@h/${rest}`,
    `nats://h,${user}:Hunter-2@b/${rest}`,
    `ws://Hunter-2@${rest}`,
  ])
    assert.ok(!withoutSecrets(url).includes('Hunter-2'), url)
}
