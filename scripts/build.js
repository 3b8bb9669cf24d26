// Bundles src into dist: every command and main.ts are entries, shared code is in chunks; also builds the package for programs.
// Then writes the manifest and the licences of what it bundled.
import {existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {dirname, join, relative} from 'node:path'
import {fileURLToPath, pathToFileURL} from 'node:url'
import {build} from 'esbuild'
import {buildApi} from './build-api.js'
import {commandFiles, commandTable, idOf} from './command-table.ts'
import {lazyRequires, ownAnswers, plainBuiltins, sharedChunks} from './esbuild-plugins.js'
import {bundledPackages, licences} from './third-party.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')
// Several builds may run at once: each works in its own folder.
const work = join(root, `dist.tmp-${process.pid}`)
const commands = commandFiles(root)
const pjson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
/** Packages that are not bundled: they are installed with busline, and `npm audit fix` of its user updates them. */
const installed = Object.keys(pjson.dependencies)

/** Modules that @oclif/core loads to find commands without a manifest, for debugging, and to draw spinners. */
const unusedByOclif = [
  'cli-spinners',
  'debug',
  'get-package-type',
  'lilconfig',
  'minimatch',
  'tinyglobby',
  'typescript',
]

/** CommonJS inside an ES module needs these; `require` there loads modules that are not bundled. */
const banner = [
  "const require=process.getBuiltinModule('module').createRequire(import.meta.url);",
  'const __dirname=import.meta.dirname,__filename=import.meta.filename;',
].join('')

try {
  replaceFile(join(root, 'src/commands/index.ts'), commandTable(commands))
  const metafiles = await Promise.all([bundle(), buildApi({root, work, installed})])
  const manifest = await makeManifest()
  replaceFiles(work, dist)
  replaceFile(join(root, 'oclif.manifest.json'), manifest)
  replaceFile(join(root, 'THIRD-PARTY.txt'), licences(root, bundledPackages(metafiles)))
} finally {
  rmSync(work, {recursive: true, force: true})
}

async function bundle() {
  const options = {
    absWorkingDir: root,
    entryPoints: ['src/main.ts', ...commands.map((file) => `src/commands/${file}`)],
    outdir: work,
    outbase: 'src',
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    // Not minified, so that the stack of a bug is readable: with the compile cache it makes no difference in time.
    minifySyntax: true,
    banner: {js: banner},
    inject: ['scripts/steady-clock.js'],
    external: [...unusedByOclif, ...installed],
    plugins: [lazyRequires, ownAnswers, plainBuiltins],
    logLevel: 'warning',
  }
  const {metafile} = await build({...options, metafile: true, write: false})
  const plugins = [sharedChunks(metafile, 'src/main.ts'), ...options.plugins]
  return (await build({...options, plugins, metafile: true})).metafile
}

/** The manifest of the commands in the new bundle. */
async function makeManifest() {
  // Not at the top: @oclif/core takes longer to load than the bundling takes.
  const {manifestOf, manifestText} = await import('./manifest.ts')
  const load = async (file) => (await import(pathToFileURL(join(work, 'commands', file.replace(/ts$/, 'js'))))).default
  const classes = await Promise.all(commands.map(async (file) => [idOf(file), await load(file)]))
  return manifestText(await manifestOf({root, pjson, classes}))
}

/**
 * Moves the new files in one by one, chunks before the entries that refer to them, so that a `bus` that starts meanwhile finds
 * a consistent set. Old chunks are kept for a while, because a running process may still load one.
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

/** Leaves a file that already has this text unchanged, so that its watchers are not triggered. */
function replaceFile(path, text) {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, text)
  renameSync(temporary, path)
}
