// Bundles src into dist: every command and main.ts an entry, what they share in chunks; and the package for programs.
// Then writes the manifest.
import {mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {dirname, join, relative} from 'node:path'
import {fileURLToPath} from 'node:url'
import {build} from 'esbuild'
import {buildApi} from './build-api.js'
import {bundledSqlite, lazyOclif, ownAnswers, plainBuiltins, sharedChunks} from './esbuild-plugins.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')
// Several builds may run at once: each works in its own folder.
const work = join(root, `dist.tmp-${process.pid}`)

/** What @oclif/core loads to find commands without a manifest, for its own debugging, and to draw spinners. */
const unusedByOclif = [
  'cli-spinners',
  'debug',
  'get-package-type',
  'lilconfig',
  'minimatch',
  'tinyglobby',
  'typescript',
]

/** CommonJS inside an ES module needs these; `require` there loads what is not bundled. */
const banner = [
  "const require=process.getBuiltinModule('module').createRequire(import.meta.url);",
  'const __dirname=import.meta.dirname,__filename=import.meta.filename;',
].join('')

try {
  await Promise.all([bundle(), buildApi({root, work})])
  const manifest = await makeManifest()
  replaceFiles(work, dist)
  replaceFile(join(root, 'oclif.manifest.json'), textOf(manifest))
} finally {
  rmSync(work, {recursive: true, force: true})
}

async function bundle() {
  const options = {
    absWorkingDir: root,
    entryPoints: ['src/main.ts', 'src/commands/**/*.ts'],
    outdir: work,
    outbase: 'src',
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    // Not minified, so that the stack of a bug can be read: with the compile cache it makes no difference in time.
    minifySyntax: true,
    banner: {js: banner},
    inject: ['scripts/steady-clock.js'],
    external: unusedByOclif,
    plugins: [bundledSqlite, lazyOclif, ownAnswers, plainBuiltins],
    logLevel: 'warning',
  }
  const {metafile} = await build({...options, metafile: true, write: false})
  const plugins = [sharedChunks(metafile, 'src/main.ts'), ...options.plugins]
  await build({...options, plugins, sourcemap: true})
}

/** What oclif reads instead of loading every command: the commands as they are in the new bundle. */
async function makeManifest() {
  // Not at the top: @oclif/core takes longer to load than the bundling takes.
  const {Plugin} = await import('@oclif/core')
  const pjson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  pjson.oclif.commands = `./${relative(root, work)}/commands`
  const plugin = new Plugin({
    root,
    pjson,
    isRoot: true,
    ignoreManifest: true,
    errorOnManifestCreate: true,
    type: 'core',
  })
  await plugin.load()
  for (const command of Object.values(plugin.manifest.commands)) command.relativePath[0] = 'dist'
  return sorted(plugin.manifest)
}

/** A line a command: to be compared, and quick to read. */
function textOf({commands, ...rest}) {
  const lines = Object.entries(commands).map(([id, command]) => `${JSON.stringify(id)}:${JSON.stringify(command)}`)
  return `{"commands":{\n${lines.join(',\n')}\n},\n${JSON.stringify(rest).slice(1)}\n`
}

function sorted(manifest) {
  const commands = Object.entries(manifest.commands).sort(([a], [b]) => (a < b ? -1 : 1))
  return {...manifest, commands: Object.fromEntries(commands)}
}

/**
 * Moves the new files in one by one, chunks before the entries that name them, so that a `bus` that starts meanwhile
 * finds a whole set. Old chunks stay for a while: a process that is running may still load one.
 */
function replaceFiles(from, to) {
  const files = filesIn(from)
  const isChunk = (file) => /^(api[\\/])?chunks/.test(file)
  for (const file of [...files.filter(isChunk), ...files.filter((name) => !isChunk(name))]) {
    mkdirSync(dirname(join(to, file)), {recursive: true})
    renameSync(join(from, file), join(to, file))
  }
  const current = new Set(files)
  const old = Date.now() - 10 * 60_000
  for (const file of filesIn(to)) {
    if (!current.has(file) && (!isChunk(file) || statSync(join(to, file)).mtimeMs < old))
      rmSync(join(to, file), {force: true})
  }
}

function filesIn(folder) {
  const entries = readdirSync(folder, {recursive: true, withFileTypes: true})
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)))
}

function replaceFile(path, text) {
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, text)
  renameSync(temporary, path)
}
