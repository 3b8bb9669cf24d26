/**
 * Plugins that make startup faster. Bundled unchanged, @oclif/core executes a hundred modules and loads most of Node's own
 * before it can show help.
 */
import {readFile} from 'node:fs/promises'
import {isBuiltin} from 'node:module'
import {relative} from 'node:path'

/** In @oclif/core and nats.js, a module that is required at the top is loaded when it is first used; see also `edits`. */
export const lazyRequires = {
  name: 'lazy-requires',
  setup(build) {
    build.onLoad({filter: /(@oclif[\\/]core|@nats-io[\\/][\w-]+)[\\/]lib[\\/].*\.js$/}, async ({path}) => {
      const source = await readFile(path, 'utf8')
      return {contents: withLazyRequires(withEdits(path, source)), loader: 'js'}
    })
  },
}

/** Modules that the bus file and NATS share. In a chunk of their own, each would be one more file at startup. */
const ofDrivers = [
  ...['outgoing', 'stream-errors', 'requests', 'mailbox', 'lazy-streams'],
  ...['header-names', 'publish-window', 'expectations', 'stream-settings', 'round-trips'],
]

/** Modules that are usually loaded together: the daily commands, and the bus file. What they share with others must be small. */
const groups = [
  {
    name: 'daily',
    heads: /^src\/commands\/(pub|sub|req|serve)\/command\.ts$/,
    members: /^(src|scripts)\//,
    more: ['@oclif/core/args', ...ofDrivers.map((name) => `./src/lib/transport/shared/${name}.ts`)],
  },
  {
    name: 'sqlite',
    heads: /^src\/lib\/transport\/sqlite\/driver\.ts$/,
    members: /^src\/lib\/transport\/sqlite\//,
    more: [],
  },
]

/**
 * Puts the modules that the entries of a group share with any other entry in one chunk per group. esbuild creates one for each
 * combination of entries, and each file costs half a millisecond at startup; modules shared only by other commands and late
 * imports are left to it. `metafile` is that of a build without this plugin.
 */
export function sharedChunks({inputs, outputs}, main) {
  const isOurs = (path) => path?.startsWith('src/') && path !== main
  const entryPoints = Object.values(outputs).map(({entryPoint}) => entryPoint)
  const entries = new Map([...new Set(entryPoints.filter(isOurs))].map((entry) => [entry, reachedFrom(entry, inputs)]))
  const uses = new Map()
  for (const reached of entries.values()) for (const path of reached) uses.set(path, (uses.get(path) ?? 0) + 1)
  const taken = new Set()
  const members = new Map()
  for (const {name, heads, members: candidates} of groups) {
    const reached = [...entries].filter(([entry]) => heads.test(entry)).flatMap(([, paths]) => [...paths])
    const shared = [...new Set(reached)]
      .filter((path) => candidates.test(path) && path !== main && uses.get(path) > 1 && !taken.has(path))
      .sort()
    for (const path of shared) taken.add(path)
    members.set(name, shared)
  }
  // Everything else is loaded by a command, and uses what daily commands share; the chunk of the bus file is for entries that
  // use part of it.
  const groupsOf = (reached) =>
    groups
      .map(({name}) => name)
      .filter((name) => name === 'daily' || members.get(name).some((path) => reached.has(path)))
  return {
    name: 'shared-chunks',
    setup(build) {
      const root = build.initialOptions.absWorkingDir
      build.onResolve({filter: /^busline:/}, ({path}) => ({path: path.slice('busline:'.length), namespace: 'shared'}))
      build.onLoad({filter: /.*/, namespace: 'shared'}, ({path: group}) => {
        const {more} = groups.find(({name}) => name === group)
        const targets = [...members.get(group).map((path) => `./${path}`), ...more]
        return {contents: targets.map((path) => `import '${path}'`).join('\n'), resolveDir: root}
      })
      build.onLoad({filter: /[\\/]src[\\/].*\.ts$/}, async ({path}) => {
        const reached = entries.get(relative(root, path).replaceAll('\\', '/'))
        if (reached === undefined) return undefined
        const imports = groupsOf(reached).map((name) => `\nimport 'busline:${name}'`)
        return {contents: `${await readFile(path, 'utf8')}${imports.join('')}`, loader: 'ts'}
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

/** oclif decides on colour in the same way as the rest of busline. */
export const ownAnswers = {
  name: 'own-answers',
  setup(build) {
    const colour = (fd) => `wantsColour(${fd}, false, process.env)`
    const answers = {
      'supports-color': `import {wantsColour} from './src/lib/cli/io/terminal.ts'
        export const stdout = ${colour(1)}, stderr = ${colour(2)}`,
      'own-terminal': `export {isTerminal} from './src/lib/cli/io/terminal.ts'`,
    }
    const filter = new RegExp(`^(${Object.keys(answers).join('|')})$`)
    build.onResolve({filter}, ({path}) => ({path, namespace: 'answer'}))
    build.onLoad({filter: /.*/, namespace: 'answer'}, ({path}) => ({
      contents: answers[path],
      resolveDir: build.initialOptions.absWorkingDir,
    }))
    build.onLoad({filter: /[\\/]ansis[\\/]index\.js$/}, async ({path}) => {
      const source = await readFile(path, 'utf8')
      const asked = '!!s.stdout?.isTTY'
      if (!source.includes(asked)) throw new Error('ansis asks for the terminal in another way now')
      return {contents: source.replace(asked, "require('own-terminal').isTerminal(1)"), loader: 'js'}
    })
  },
}

/**
 * Node's own modules, unchanged. A real `import` builds a list of exports, for which it loads everything that Node itself would
 * load late (`fs.promises`, `util.parseArgs`), and esbuild's conversion of `require` to `import` does the same. Each library
 * has its own copy of these few lines, because sharing them would take one more file at startup.
 */
export const plainBuiltins = {
  name: 'plain-builtins',
  setup(build) {
    build.onResolve({filter: /^[a-z]/}, ({path, kind, importer}) => {
      if (!isBuiltin(path)) return undefined
      const [, owner = ''] = /node_modules[\\/](?!@oclif)((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(importer) ?? []
      const namespace = `${kind === 'require-call' ? 'required' : 'imported'}-builtin`
      return {path, namespace, suffix: owner && `?${owner}`, sideEffects: false}
    })
    build.onLoad({filter: /.*/, namespace: 'required-builtin'}, ({path}) => ({
      contents: `module.exports = ${builtin(path)}`,
    }))
    build.onLoad({filter: /.*/, namespace: 'imported-builtin'}, ({path}) => ({contents: importable(path)}))
  },
}

const builtin = (path) => `process.getBuiltinModule(${JSON.stringify(path)})`

/** An ES module of which only the used exports are kept. */
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
    // In parentheses, because of `new X.Y()`.
    return text.replace(new RegExp(`(?<![\\w$.])${name}(?=[.)\\];,])`, 'g'), `(${name}())`)
  }, lazy)
}

const edits = [
  // Most help texts are not templates, and compiling one takes longer than everything else that is done with it.
  [
    'help/util.js',
    'return ejs_1.default.render(t, context)',
    "if (typeof t === 'string' && !t.includes('<%')) return t;\n$&",
  ],
  // A file at startup that checks for WSL and, on Windows, for the shell: nothing depends on the results.
  ['util/os.js', "(await import('wsl-utils')).isWsl ? 'wsl' : ", ''],
  ['util/os.js', "(await import('wsl-utils')).powerShellPath()", 'Promise.reject()'],
  // For one file.
  ['util/fs.js', 'await (0, promises_1.readFile)(', '(0, node_fs_1.readFileSync)('],
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
