/**
 * Builds the package for programs: src/index.ts and each part of src/api as an ES module, with shared code in chunks.
 * Separate from the commands, so that neither costs the other anything. It includes the declarations that an entry can reach,
 * and no others.
 */
import {execFile} from 'node:child_process'
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {dirname, join, relative} from 'node:path'
import {promisify} from 'node:util'
import {build} from 'esbuild'
import {plainBuiltins} from './esbuild-plugins.js'

const run = promisify(execFile)

/** The suite for drivers, `busline/transport/testing`: the one that our own drivers pass. */
const testing = 'test/conformance/suite.ts'

/** The parts: `broker` for src/api/broker.ts. */
export function partsIn(root) {
  return readdirSync(join(root, 'src/api')).map((file) => file.replace(/\.ts$/, ''))
}

/** Writes `work`/api and `work`/types. `installed`: the packages that are not bundled. Returns what it was built from. */
export async function buildApi({root, work, installed}) {
  const [metafile] = await Promise.all([bundle({root, work, installed}), declare(root, work)])
  return metafile
}

async function bundle({root, work, installed}) {
  const parts = partsIn(root).map((part) => [part, `src/api/${part}.ts`])
  const {metafile} = await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries([['index', 'src/index.ts'], ['transport/testing', testing], ...parts]),
    outdir: join(work, 'api'),
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    external: [...installed, 'vitest'],
    minifySyntax: true,
    metafile: true,
    plugins: [plainBuiltins],
    logLevel: 'warning',
  })
  return metafile
}

/** Without a type check, which is done by another script. */
async function declare(root, work) {
  const all = join(work, 'all-types')
  const config = join(work, 'tsconfig.json')
  mkdirSync(work, {recursive: true})
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    noCheck: true,
    rootDir: root,
    outDir: all,
    typeRoots: [join(root, 'node_modules/@types')],
  }
  const files = [join(root, 'src/index.ts'), join(root, testing)]
  writeFileSync(config, JSON.stringify({extends: join(root, 'tsconfig.json'), compilerOptions, include: [], files}))
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', config])
  rmSync(config)
  const done = new Set()
  for (const file of ['src/index.ts', testing]) copyReached(all, join(work, 'types'), file.replace(/ts$/, 'd.ts'), done)
  rmSync(all, {recursive: true})
}

/**
 * Copies a declaration file and those that it imports, which then refer to each other as modules. Files of `src` are at the top
 * of `to`.
 */
function copyReached(from, to, file, done) {
  if (done.has(file)) return
  done.add(file)
  const text = readFileSync(join(from, file), 'utf8')
  const place = (path) => relative('src', path).replace(/^\.\.\//, '')
  const targets = []
  const moved = text.replace(relativeImport, (_, before, path, after) => {
    const target = join(dirname(file), path)
    targets.push(`${target}.d.ts`)
    const way = relative(dirname(place(file)), place(target))
    return `${before}${way.startsWith('.') ? way : `./${way}`}.js${after}`
  })
  mkdirSync(dirname(join(to, place(file))), {recursive: true})
  writeFileSync(join(to, place(file)), moved)
  for (const target of targets) copyReached(from, to, target, done)
}

const relativeImport = /((?:from |import\()['"])(\.[^'"]+)\.ts(['"])/g
