/** The exports of the package, read from its sources: each name with the first sentence of its doc comment. */
import {readdirSync, readFileSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {root} from '../bus.ts'

export interface Export {
  readonly name: string
  readonly kind: string
  /** Undefined without a doc comment. */
  readonly doc: string | undefined
}

export interface Part {
  readonly name: string
  readonly doc: string
  readonly exports: readonly Export[]
}

export const parts: readonly Part[] = readdirSync(join(root, 'src/api')).map((file) => {
  const path = join(root, 'src/api', file)
  const text = readFileSync(path, 'utf8')
  const exports = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)'/gm)].flatMap(
    ([, names = '', target = '']) => {
      const source = readFileSync(join(dirname(path), target), 'utf8')
      return names
        .split(',')
        .map((name) => name.trim().replace(/^type /, ''))
        .filter((name) => name !== '')
        .map((name) => declared(source, name))
    },
  )
  return {name: file.replace(/\.ts$/, ''), doc: docIn(text) ?? '', exports}
})

/** `name` as written in an export clause: `open`, `Filter as EventFilter`. */
function declared(source: string, name: string): Export {
  const [own = '', shown = own] = name.split(' as ')
  const declaration = new RegExp(
    `(?:^(/\\*\\*(?:(?!\\*/)[\\s\\S])*\\*/)\\n)?^export (?:async |abstract )?(function|class|const|interface|type) ${own}\\b`,
    'm',
  ).exec(source)
  if (declaration === null) throw new Error(`${own} is not declared where it is exported from`)
  const [, comment, kind = ''] = declaration
  return {name: shown, kind, doc: comment === undefined ? undefined : docIn(comment)}
}

/** The first sentence of the first doc comment. */
function docIn(text: string): string | undefined {
  const [, comment] = /^\/\*\*([\s\S]*?)\*\//.exec(text) ?? []
  const line = comment
    ?.replace(/^ *\* ?/gm, '')
    .replace(/\s+/g, ' ')
    .trim()
  return line === undefined ? undefined : (/^.*?[.](?= [A-Z`]|$)/.exec(line)?.[0] ?? line)
}
