// Takes nats-server from the release archive of its project for this platform, after verifying its checksum.
import {execFileSync} from 'node:child_process'
import {createHash} from 'node:crypto'
import {mkdtempSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

const releases = 'https://github.com/nats-io/nats-server/releases'
/** The last release of the oldest version that busline supports. */
const oldest = '2.9.25'

const platforms = {darwin: 'darwin', linux: 'linux', win32: 'windows', freebsd: 'freebsd'}
const architectures = {x64: 'amd64', arm64: 'arm64', arm: 'arm7', ia32: '386', s390x: 's390x', ppc64: 'ppc64le'}

/** The path of a server in a folder under `work`. Throws if there is no archive for this platform or version. */
export async function fetchRelease(want, work, suits) {
  const version = await versionFor(want)
  const platform = platforms[process.platform]
  const architecture = architectures[process.arch]
  if (platform === undefined || architecture === undefined)
    throw new Error(`github.com: no nats-server is released for ${process.platform} ${process.arch}`)
  const stem = `nats-server-v${version}-${platform}-${architecture}`
  const file = `${stem}.${platform === 'windows' ? 'zip' : 'tar.gz'}`
  const [sums, archive] = await Promise.all(
    ['SHA256SUMS', file].map((name) => download(`${releases}/download/v${version}/${name}`)),
  )
  verify(file, archive, sums.toString('utf8'))
  const folder = mkdtempSync(join(work, 'release-'))
  writeFileSync(join(folder, file), archive)
  // On platforms with .zip archives, tar can unpack them.
  execFileSync('tar', ['-xf', file], {cwd: folder, stdio: ['ignore', 'ignore', 'pipe']})
  const path = join(folder, stem, platform === 'windows' ? 'nats-server.exe' : 'nats-server')
  if (!suits(path)) throw new Error(`github.com: ${file} does not run here`)
  return path
}

async function versionFor(want) {
  if (want === 'oldest') return oldest
  if (want !== undefined && /^\d+\.\d+\.\d+$/.test(want)) return want
  if (want !== undefined && want !== 'newest') return await latestOf(want)
  const latest = await request(`${releases}/latest`, {redirect: 'manual'})
  const version = /\/v(\d+\.\d+\.\d+)$/.exec(latest.headers.get('location') ?? '')?.[1]
  if (version === undefined) throw new Error('github.com does not say which nats-server is the latest')
  return version
}

/** The latest release whose version begins with `prefix`. */
async function latestOf(prefix) {
  const answer = await request('https://api.github.com/repos/nats-io/nats-server/releases?per_page=100')
  const versions = (await answer.json()).map(({tag_name: tag}) => tag.slice(1))
  const known = versions.filter((version) => /^\d+\.\d+\.\d+$/.test(version) && `${version}.`.startsWith(`${prefix}.`))
  const newest = known.sort((one, other) => one.localeCompare(other, 'en', {numeric: true})).pop()
  if (newest === undefined) throw new Error(`github.com: no release of nats-server begins with ${prefix}`)
  return newest
}

function verify(file, archive, sums) {
  const wanted = sums.split('\n').find((line) => line.trim().endsWith(` ${file}`) || line.trim().endsWith(`*${file}`))
  const sum = createHash('sha256').update(archive).digest('hex')
  if (wanted?.slice(0, 64).toLowerCase() !== sum)
    throw new Error(`github.com: the checksum of ${file} is not the published one`)
}

async function download(url) {
  const answer = await request(url)
  if (!answer.ok) throw new Error(`github.com answers ${answer.status} for ${url}`)
  return Buffer.from(await answer.arrayBuffer())
}

async function request(url, options = {}) {
  try {
    return await fetch(url, {signal: AbortSignal.timeout(120_000), ...options})
  } catch (error) {
    throw new Error(`github.com cannot be reached: ${error.cause?.code ?? error.message}`)
  }
}
