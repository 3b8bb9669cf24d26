/** The package as users get it: packed, unpacked elsewhere, imported by its name. */
import {execFile} from 'node:child_process'
import {readdirSync, readFileSync, statSync, symlinkSync, writeFileSync} from 'node:fs'
import {isBuiltin} from 'node:module'
import {join, relative} from 'node:path'
import {fileURLToPath} from 'node:url'
import {promisify} from 'node:util'
import {checkPackage, createPackageFromTarballData} from '@arethetypeswrong/core'
import {publint} from 'publint'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {root} from '../bus.ts'
import {NatsServer} from '../nats-server.ts'
import {parts} from './exported.ts'
import {type Installed, installPackage} from './installed.ts'

const run = promisify(execFile)

let installed: Installed
let server: NatsServer
beforeAll(async () => {
  installed = await installPackage()
  symlinkSync(join(root, 'node_modules/vitest'), join(installed.folder, 'node_modules/vitest'))
  writeFileSync(join(installed.folder, 'driver.test.ts'), driverTest)
  server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
})
afterAll(async () => {
  installed[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
})

const examples = readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.ts'))
const node = (args: readonly string[]) => run(process.execPath, args, {cwd: installed.folder})

describe('the examples', () => {
  test.each(examples)('%s prints what it claims, on every kind of bus', async (file) => {
    const [, promised = ''] = readFileSync(join(root, 'examples', file), 'utf8').split('\n// Prints:\n')
    expect(promised).not.toBe('')
    for (const url of ['memory:example', `sqlite:${file}.db`, server.url()]) {
      const {stdout, stderr} = await node([file, url])
      expect([url, stdout, stderr]).toEqual([url, promised.replaceAll(/^\/\/ ?/gm, ''), ''])
    }
  })

  test('the one in the README resumes after a restart', async () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8')
    const [, program = ''] = /^```ts\n([\s\S]*?)^```$/m.exec(readme) ?? []
    const path = join(installed.folder, 'readme.mts')
    writeFileSync(join(installed.folder, 'readme.ts'), program)
    writeFileSync(path, `${untilItPrints}\n${program}\nawait printed.promise\n`)
    expect((await node([path])).stdout).toBe('GAME.level {"level":1}\n')
    expect((await node([path])).stdout).toBe('GAME.level {"level":1}\n')
  })

  test('contain types that depend only on those of Node', async () => {
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2023',
      lib: ['es2023', 'esnext.disposable'],
      strict: true,
      noEmit: true,
      types: ['node'],
    }
    writeFileSync(join(installed.folder, 'tsconfig.json'), JSON.stringify({compilerOptions, include: ['*.ts']}))
    const errors = await node([join(root, 'node_modules/typescript/bin/tsc'), '-p', '.']).catch(
      ({stdout}: {stdout: string}) => ({stdout}),
    )
    expect(errors.stdout).toBe('')
  })
})

describe('the package', () => {
  test('passes publint', async () => {
    const {messages} = await publint({pkgDir: join(installed.folder, 'node_modules/busline'), strict: true})
    expect(messages).toEqual([])
  })

  test('passes "are the types wrong" as a package of ES modules', async () => {
    const analysis = await checkPackage(createPackageFromTarballData(readFileSync(installed.tarball)))
    if (analysis.types === false) throw new Error('the package has no types')
    expect(Object.keys(analysis.entrypoints)).toHaveLength(parts.length + 3)
    expect(analysis.problems.filter(({kind}) => !expected.has(kind))).toEqual([])
  })
})

/** The files of the unpacked package, relative to it. */
function packed(): string[] {
  const folder = join(installed.folder, 'node_modules/busline')
  const entries = readdirSync(folder, {recursive: true, withFileTypes: true})
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
}

const inPackage = (path: string) => readFileSync(join(installed.folder, 'node_modules/busline', path), 'utf8')
const scripts = () => packed().filter((path) => path.startsWith('dist/') && path.endsWith('.js'))

describe('what is installed', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const names = Object.keys(manifest.dependencies)

  test.each(names)('%s is loaded from its folder by the commands and by the library', (name) => {
    const users = scripts().filter((path) =>
      inPackage(path).match(new RegExp(`(from |import\\(|__installed\\()"${name}"`)),
    )
    expect(users.filter((path) => path.startsWith('dist/api/'))).not.toEqual([])
    expect(users.filter((path) => !path.startsWith('dist/api/'))).not.toEqual([])
  })

  test('is all that the package imports', () => {
    const imported = scripts().flatMap((path) =>
      [...inPackage(path).matchAll(/^(?:import|export)[^;'"]*"([^."][^"]*)"/gm)].map(([, name = '']) => name),
    )
    const foreign = new Set(imported.filter((name) => !isBuiltin(name) && name !== 'vitest'))
    expect([...foreign].filter((name) => !names.includes(name))).toEqual([])
  })

  test('takes at most 10 MiB with the package', () => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, {dev?: boolean; devOptional?: boolean}>
    }
    const others = Object.entries(lock.packages).filter(
      ([path, {dev, devOptional}]) => path !== '' && !dev && !devOptional,
    )
    const folders = [join(installed.folder, 'node_modules/busline'), ...others.map(([path]) => join(root, path))]
    const kibibytes = folders.reduce((sum, folder) => sum + sizeOf(folder), 0)
    expect(kibibytes / 1024).toBeLessThan(10)
  })

  test('includes the examples and SECURITY.md, and no source map', () => {
    expect(packed()).toEqual(expect.arrayContaining(['SECURITY.md', 'examples/rpc.ts', 'examples/checks/orders.yaml']))
    expect(packed().filter((path) => path.endsWith('.map'))).toEqual([])
    for (const path of scripts()) expect(inPackage(path), path).not.toContain('sourceMappingURL')
  })

  test('includes the licence of each bundled package', () => {
    const bundled = new Set(
      scripts().flatMap((path) =>
        [...inPackage(path).matchAll(/^\s*(?:\/\/ |")(?:\w+:)?node_modules\/((?:@[^/]+\/)?[^/]+)\//gm)].map(
          ([, name]) => name,
        ),
      ),
    )
    const listed = [...inPackage('THIRD-PARTY.txt').matchAll(/^# (\S+) \d\S+, (\S.*)$/gm)].map(([, name]) => name)
    expect(bundled.size).toBeGreaterThan(20)
    expect([...bundled].filter((name) => !listed.includes(name))).toEqual([])
    const {license} = JSON.parse(readFileSync(join(root, 'node_modules/zod/package.json'), 'utf8'))
    const text = readFileSync(join(root, 'node_modules/zod/LICENSE'), 'utf8').trim()
    expect(inPackage('THIRD-PARTY.txt')).toMatch(new RegExp(`^# zod \\S+, ${license}$`, 'm'))
    expect(inPackage('THIRD-PARTY.txt')).toContain(text)
    expect(bundled).not.toContain('ws')
  })
})

/** The kibibytes that the files in a folder take, in blocks of 4 KiB. */
function sizeOf(folder: string): number {
  const entries = readdirSync(folder, {recursive: true, withFileTypes: true})
  return entries.reduce(
    (sum, entry) => sum + 4 * Math.ceil(statSync(join(entry.parentPath, entry.name)).size / 4096),
    0,
  )
}

const untilItPrints = `
const printed = Promise.withResolvers()
const {log} = console
console.log = (...words) => printed.resolve(log(...words))`

/** Resolution modes from before ES modules, and `require`, which older Nodes could not use. */
const expected = new Set(['NoResolution', 'CJSResolvesToESM'])

describe('the conformance suite of the package', () => {
  test('is passed by a driver of another project', {timeout: 300_000}, async () => {
    const report = join(installed.folder, 'report.json')
    await node([
      join(root, 'node_modules/vitest/vitest.mjs'),
      ...[
        'run',
        '--root',
        '.',
        '--testTimeout',
        '60000',
        '--reporter',
        'json',
        '--outputFile',
        report,
        'driver.test.ts',
      ],
    ])
    const {success, numPassedTests} = JSON.parse(readFileSync(report, 'utf8')) as {
      success: boolean
      numPassedTests: number
    }
    expect(success).toBe(true)
    expect(numPassedTests).toBeGreaterThan(150)
  })
})

const driverTest = `
import {open} from 'busline/transport'
import {conformance, type Harness} from 'busline/transport/testing'

let count = 0
const harness: Harness = {
  features: {
    wildcards: true,
    headers: true,
    queues: true,
    keepsForSlow: false,
    noResponders: true,
    requestsAreMessages: true,
    streams: true,
    failures: true,
  },
  async fresh() {
    const url = 'memory:' + ++count
    return {open: (options) => open(url, options), async [Symbol.asyncDispose]() {}}
  },
}
conformance('memory', harness)
`

test('the package starts a server and creates a bus file for a test', async () => {
  const path = join(installed.folder, 'testing.mjs')
  writeFileSync(path, testingProgram)
  const program = (await node([join(root, 'scripts/nats-server.js')])).stdout.trim()
  expect((await node([path, program])).stdout).toBe('hello\nhello\n')
})

const testingProgram = `
import {openMessenger} from 'busline/messenger'
import {createFile, startServer} from 'busline/testing'
await using server = await startServer({program: process.argv[2]})
await using file = await createFile()
for (const {url} of [server, file]) {
  await using messenger = await openMessenger(url)
  await messenger.serve('greet', () => 'hello')
  console.log(Buffer.from(await messenger.request('greet', '')).toString())
}`

describe('a part does not load the others', () => {
  /** Largest number of kilobytes of code that it loads before it is used. */
  const most: Readonly<Record<string, number>> = {
    broker: 49,
    delivery: 135,
    errors: 5,
    messenger: 37,
    position: 11,
    record: 28,
    'response-stream': 72,
    rpc: 40,
    subject: 11,
    testing: 18,
    transport: 17,
  }

  /** The folder of its protocol, if it has another name. */
  const protocols: Readonly<Record<string, string>> = {
    delivery: 'event-delivery',
    'response-stream': 'response-streams',
    rpc: 'loom-rpc',
  }

  /** The modules that it uses from the layer below the protocols. */
  const messaging: Readonly<Record<string, readonly string[]>> = {
    delivery: ['messaging/kv', 'messaging/sinks'],
    'response-stream': ['messaging/bounds'],
    rpc: ['messaging/pubsub', 'messaging/service-discovery'],
  }

  test.each(parts.map(({name}) => name))('busline/%s', async (part) => {
    const loaded = await loadedBy(`busline/${part}`)
    const own = loaded.filter(({url}) => !url.startsWith('node:'))
    expect(own.filter(({url}) => !url.includes('/busline/dist/api/'))).toEqual([])
    const kilobytes = own.reduce((sum, {bytes}) => sum + bytes, 0) / 1000
    expect(kilobytes).toBeLessThanOrEqual(most[part] ?? 0)
    const folders = own
      .flatMap(({url}) => sourcesOf(url))
      .map((path) => /src\/lib\/((?:protocols|messaging)\/[\w-]+|[\w-]+)/.exec(path)?.[1])
    const shared = ['core', 'transport', `protocols/${protocols[part] ?? part}`]
    const others = new Set(folders.filter((folder) => folder !== undefined && !shared.includes(folder)))
    expect([...others].sort()).toEqual(messaging[part] ?? [])
  })

  test('a bus loads only its own driver', async () => {
    const urls = (await loadedBy('busline/transport', `await (await all.open('memory:x')).close()`)).map(({url}) => url)
    expect(urls.filter((url) => /node:sqlite|nats|node_modules\/ws/.test(url))).toEqual([])
  })
})

/** The sources of a built module: the bundler names each in a comment. */
function sourcesOf(url: string): string[] {
  const built = readFileSync(fileURLToPath(url), 'utf8')
  return [...built.matchAll(/^\/\/ (src\/.*)$/gm)].map(([, source = '']) => source)
}

/** The modules that a program loads, except itself. */
async function loadedBy(module: string, then = ''): Promise<{url: string; bytes: number}[]> {
  const program = `
    import {registerHooks} from 'node:module'
    const loaded = []
    registerHooks({load: (url, context, next) => {
      const result = next(url, context)
      loaded.push({url, bytes: result.source?.length ?? 0})
      return result
    }})
    const all = await import(${JSON.stringify(module)})
    ${then}
    console.log(JSON.stringify(loaded))`
  const path = join(installed.folder, 'probe.mjs')
  writeFileSync(path, program)
  return JSON.parse((await node([path])).stdout)
}
