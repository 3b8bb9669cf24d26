/**
 * The package for programs: src/index.ts and each part of src/api as an ES module, what they share in chunks, the
 * dependencies as they are. Apart from the commands, so that neither costs the other anything. Their types are rolled in:
 * the declarations that an entry can reach, and no others.
 */
import {execFile} from 'node:child_process'
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {dirname, join, relative} from 'node:path'
import {promisify} from 'node:util'
import {build} from 'esbuild'

const run = promisify(execFile)

/** The parts: `broker` for src/api/broker.ts. */
export function partsIn(root) {
  return readdirSync(join(root, 'src/api')).map((file) => file.replace(/\.ts$/, ''))
}

/** Writes `work`/api and `work`/types. */
export async function buildApi({root, work}) {
  await Promise.all([bundle(root, work), declare(root, work)])
}

async function bundle(root, work) {
  const parts = partsIn(root).map((part) => [part, `src/api/${part}.ts`])
  await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries([['index', 'src/index.ts'], ...parts]),
    outdir: join(work, 'api'),
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    packages: 'external',
    sourcemap: true,
    logLevel: 'warning',
  })
}

/** Without a check of types, which is another script's work: what is half written elsewhere is no matter here. */
async function declare(root, work) {
  const all = join(work, 'all-types')
  const config = join(work, 'tsconfig.json')
  mkdirSync(work, {recursive: true})
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    noCheck: true,
    rootDir: join(root, 'src'),
    outDir: all,
    typeRoots: [join(root, 'node_modules/@types')],
  }
  const files = [join(root, 'src/index.ts')]
  writeFileSync(config, JSON.stringify({extends: join(root, 'tsconfig.json'), compilerOptions, include: [], files}))
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', config])
  rmSync(config)
  copyReached(all, join(work, 'types'), 'index.d.ts')
  rmSync(all, {recursive: true})
}

/** Copies a declaration file and those that it imports, which then name each other as the modules that they stand for. */
function copyReached(from, to, file, done = new Set()) {
  if (done.has(file)) return
  done.add(file)
  const text = readFileSync(join(from, file), 'utf8')
  mkdirSync(dirname(join(to, file)), {recursive: true})
  writeFileSync(join(to, file), text.replace(relativeImport, '$1$2.js$3'))
  for (const [, , path = ''] of text.matchAll(relativeImport)) {
    copyReached(from, to, relative(from, join(from, dirname(file), `${path}.d.ts`)), done)
  }
}

const relativeImport = /((?:from |import\()['"])(\.[^'"]+)\.ts(['"])/g
