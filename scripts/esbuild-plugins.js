/**
 * Plugins for the sake of startup. Bundled as it is, @oclif/core executes a hundred modules and pulls in most of
 * Node's own before a command can run: `bus pub` would take 2.2 times as long as `node -e 0` for that alone.
 */
import {readFile} from 'node:fs/promises'
import {isBuiltin} from 'node:module'
import {relative} from 'node:path'

/** In @oclif/core, a module that is required at the top is loaded when it is first used; and see `edits`. */
export const lazyOclif = {
  name: 'lazy-oclif',
  setup(build) {
    build.onLoad({filter: /@oclif[\\/]core[\\/]lib[\\/].*\.js$/}, async ({path}) => {
      const source = await readFile(path, 'utf8')
      return {contents: withLazyRequires(withEdits(path, source)), loader: 'js'}
    })
  },
}

/** Commands that are run a thousand times a day, and whose startup is measured. What they share must be light. */
const dailyCommand = /^src\/commands\/(pub|sub|req|serve)\.ts$/

/**
 * What the daily commands have in common with any other entry in one chunk. esbuild makes one for each combination of
 * entries, and each file costs half a millisecond at startup; what only other commands and late imports have in common
 * is left to it. `metafile` is that of a build without this plugin.
 */
export function oneSharedChunk({inputs, outputs}, main) {
  const isOurs = (path) => path?.startsWith('src/') && path !== main
  const entries = new Set(
    Object.values(outputs)
      .map(({entryPoint}) => entryPoint)
      .filter(isOurs),
  )
  const uses = new Map()
  const daily = new Set()
  for (const entry of entries) {
    for (const path of reachedFrom(entry, inputs)) {
      uses.set(path, (uses.get(path) ?? 0) + 1)
      if (dailyCommand.test(entry)) daily.add(path)
    }
  }
  const shared = [...daily].filter((path) => path.startsWith('src/') && uses.get(path) > 1).sort()
  return {
    name: 'one-shared-chunk',
    setup(build) {
      const root = build.initialOptions.absWorkingDir
      build.onResolve({filter: /^busline:shared$/}, () => ({path: 'all', namespace: 'shared'}))
      build.onLoad({filter: /.*/, namespace: 'shared'}, () => ({
        contents: shared.map((path) => `import './${path}'`).join('\n'),
        resolveDir: root,
      }))
      build.onLoad({filter: /[\\/]src[\\/].*\.ts$/}, async ({path}) => {
        const name = relative(root, path).replaceAll('\\', '/')
        if (!entries.has(name)) return undefined
        return {contents: `${await readFile(path, 'utf8')}\nimport 'busline:shared'`, loader: 'ts'}
      })
    },
  }
}

function reachedFrom(entry, inputs) {
  const reached = new Set([entry])
  for (const path of reached) {
    for (const {path: next, kind} of inputs[path]?.imports ?? []) if (kind !== 'dynamic-import') reached.add(next)
  }
  return reached
}

/** oclif asks whether it runs in WSL and, on Windows, in which shell; nothing in busline depends on the answer. */
export const noShellSearch = {
  name: 'no-shell-search',
  setup(build) {
    build.onResolve({filter: /^wsl-utils$/}, ({path}) => ({path, namespace: 'stub'}))
    build.onLoad({filter: /.*/, namespace: 'stub'}, () => ({contents: 'export const isWsl = false'}))
  },
}

/**
 * Node's own modules, taken as they are. A real `import` builds a list of exports, for which it loads whatever Node
 * itself would load late (`fs.promises`, `util.parseArgs`), and esbuild's way from `require` to `import` does the same.
 * Libraries that are loaded late have these few lines for themselves: to share them would take a file more at startup.
 */
export const plainBuiltins = {
  name: 'plain-builtins',
  setup(build) {
    build.onResolve({filter: /^[a-z]/}, ({path, kind, importer}) => {
      if (!isBuiltin(path)) return undefined
      const owner = /node_modules[\\/](?!@oclif)/.test(importer) ? '-late' : ''
      return {path, namespace: `${kind === 'require-call' ? 'required' : 'imported'}${owner}`, sideEffects: false}
    })
    for (const owner of ['', '-late']) {
      const [required, imported] = [`required${owner}`, `imported${owner}`]
      build.onLoad({filter: /.*/, namespace: required}, ({path}) => ({contents: `module.exports = ${builtin(path)}`}))
      build.onLoad({filter: /.*/, namespace: imported}, ({path}) => ({contents: importable(path)}))
    }
  },
}

const builtin = (path) => `process.getBuiltinModule(${JSON.stringify(path)})`

/** An ES module of which only the exports that somebody uses stay. */
function importable(path) {
  const names = Object.keys(process.getBuiltinModule(path)).filter((name) => /^[a-z]\w*$/i.test(name))
  const exports = names.map((name) => `export const ${name} = /* @__PURE__ */ (() => module_.${name})()`)
  return [`const module_ = /* @__PURE__ */ (() => ${builtin(path)})()`, 'export default module_', ...exports].join('\n')
}

function withLazyRequires(source) {
  const names = []
  const lazy = source.replace(
    /^(?:const|var) (\w+) = (?:(__import(?:Default|Star))\()?(require\("[^"]+"\))\)?;$/gm,
    (_, name, wrap, call) => {
      names.push(name)
      return wrap
        ? `let ${name}$;const ${name} = () => ${name}$ ??= ${wrap}(${call});`
        : `const ${name} = () => ${call};`
    },
  )
  return names.reduce((text, name) => {
    // In parentheses for the sake of `new X.Y()`.
    return text.replace(new RegExp(`(?<![\\w$.])${name}(?=[.)\\];,])`, 'g'), `(${name}())`)
  }, lazy)
}

const edits = [
  // Makes a stream of stdout, only to ignore EPIPE, which busline sees to itself.
  ['command.js', /^process\.stdout\.on\('error',[\s\S]*?^\}\);$/m, ''],
  // Most help texts are no templates; to compile one takes longer than all else that is done with it.
  [
    'help/util.js',
    'return ejs_1.default.render(t, context)',
    "if (typeof t === 'string' && !t.includes('<%')) return t;\n$&",
  ],
  // The first comparison by locale in a process loads the collation tables, 6 ms.
  ['config/plugin.js', 'a.id.localeCompare(b.id)', '(a.id < b.id ? -1 : 1)'],
]

function withEdits(path, source) {
  let text = source
  for (const [file, from, to] of edits.filter(([name]) => path.replaceAll('\\', '/').endsWith(`/lib/${name}`))) {
    text = text.replace(from, to)
    if (text === source) throw new Error(`@oclif/core/lib/${file} is not what it was: look at this edit again`)
  }
  return text
}
