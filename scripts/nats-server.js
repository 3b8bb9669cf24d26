// Prints the path of a usable nats-server: $NATS_SERVER, one on PATH, one in the cache, or one downloaded into the cache.
// `--oldest`, `--newest` or a version (`2.10`) chooses among those that can be downloaded. Runs on any Node from 18 on.
import {execFileSync} from 'node:child_process'
import {existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {delimiter, dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {fetchByApt, hasApt} from './nats-server-apt.js'
import {fetchRelease} from './nats-server-release.js'

const cache = join(dirname(dirname(fileURLToPath(import.meta.url))), 'node_modules', '.cache', 'nats-server')
const program = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server'
/** The oldest version that busline supports. */
const least = [2, 9]

const waysOut =
  'no nats-server to be had: set NATS_SERVER to the path of one, install one on PATH, ' +
  'or let this machine reach its Debian or Ubuntu mirror or github.com'

try {
  process.stdout.write(`${await find(process.argv[2]?.replace(/^--|^v/, ''))}\n`)
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}

/** `want` is `oldest`, `newest`, the beginning of a version, or undefined if any will do. */
async function find(want) {
  if (want !== undefined && !/^(oldest|newest|\d+(\.\d+)*)$/.test(want))
    throw new Error(`"${want}" is neither --oldest, --newest nor a version`)
  return (want === undefined ? given() : undefined) ?? cached(want) ?? (await fetched(want))
}

/** A server named by the environment or on PATH. */
function given() {
  const named = process.env.NATS_SERVER
  if (named) {
    versionOf(named)
    return named
  }
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path) && isUsable(path))
}

/** A cached server; the newest of several. One downloaded as the oldest or newest is stored under that word. */
function cached(want) {
  if (want === 'oldest' || want === 'newest') {
    const word = join(cache, want)
    const path = existsSync(word) ? join(cache, readFileSync(word, 'utf8').trim(), program) : ''
    return existsSync(path) ? path : undefined
  }
  const versions = existsSync(cache) ? readdirSync(cache).filter((name) => /^\d/.test(name) && suits(name, want)) : []
  const paths = versions.sort(byAge).map((version) => join(cache, version, program))
  return paths.reverse().find((path) => existsSync(path))
}

async function fetched(want) {
  mkdirSync(cache, {recursive: true})
  const work = mkdtempSync(join(cache, 'work-'))
  const reasons = []
  try {
    for (const fetchOne of hasApt() ? [fetchByApt, fetchRelease] : [fetchRelease]) {
      const found = await fetchOne(want, work, (path) => {
        const version = usableVersion(path)
        return version !== undefined && suits(version, want)
      }).catch((error) => void reasons.push(error.message.trim()))
      if (found !== undefined) return keep(found, want)
    }
    throw new Error([waysOut, ...reasons].join('\n  '))
  } finally {
    rmSync(work, {recursive: true, force: true})
  }
}

/** Moves a server into the cache in one step: of two simultaneous downloads the second finds the first one's. */
function keep(path, want) {
  const version = versionOf(path)
  const place = join(cache, version)
  const ready = mkdtempSync(join(cache, 'work-'))
  renameSync(path, join(ready, program))
  try {
    renameSync(ready, place)
  } catch (error) {
    rmSync(ready, {recursive: true, force: true})
    if (!existsSync(join(place, program))) throw error
  }
  if (want === 'oldest' || want === 'newest') {
    writeFileSync(join(cache, `${want}.${process.pid}`), version)
    renameSync(join(cache, `${want}.${process.pid}`), join(cache, want))
  }
  return join(place, program)
}

/** `2.10.27`; throws if the program does not run or is not a nats-server. */
function versionOf(path) {
  let text = ''
  try {
    text = execFileSync(path, ['--version'], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe']})
  } catch (error) {
    throw new Error(`${path} does not run: ${error.stderr?.trim() || error.message}`)
  }
  const version = /nats-server: v(\d+\.\d+\.\d+)/.exec(text)?.[1]
  if (version === undefined) throw new Error(`${path} is no nats-server: it says ${JSON.stringify(text.slice(0, 60))}`)
  return version
}

function usableVersion(path) {
  try {
    return versionOf(path)
  } catch {
    return undefined
  }
}

function isUsable(path) {
  const version = usableVersion(path)
  return version !== undefined && suits(version, undefined)
}

function suits(version, want) {
  if (want !== undefined && /^\d/.test(want)) return `${version}.`.startsWith(`${want}.`)
  return byAge(version, least.join('.')) >= 0
}

function byAge(one, other) {
  return one.localeCompare(other, 'en', {numeric: true})
}
