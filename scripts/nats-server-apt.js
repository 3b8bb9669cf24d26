// Takes nats-server from a Debian or Ubuntu package. It reads only the mirror from the system's configuration and
// changes nothing: it uses its own sources list, list and cache folders, without root and without installing anything.
import {execFileSync} from 'node:child_process'
import {existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

/** From old to new; each is tried by itself, and one that a mirror lacks is skipped. */
const suites = {
  debian: ['bookworm', 'trixie', 'forky', 'sid'],
  ubuntu: ['noble', 'questing', 'resolute', 'devel'],
}
const components = {debian: 'main', ubuntu: 'universe'}
const keyrings = {
  debian: '/usr/share/keyrings/debian-archive-keyring.gpg',
  ubuntu: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
}

export function hasApt() {
  return distribution() !== undefined && ['apt-get', 'dpkg-deb'].every((name) => existsSync(`/usr/bin/${name}`))
}

/** The path, in a folder under `work`, of a server that `suits`; `want` determines from which end to search. */
export async function fetchByApt(want, work, suits) {
  const name = distribution()
  const all = suites[name]
  const said = []
  for (const suite of want === 'oldest' ? all : [...all].reverse()) {
    try {
      const path = unpack(name, suite, mkdtempSync(join(work, `${suite}-`)))
      if (suits(path)) return path
      said.push(`${suite} has none that is wanted`)
    } catch (error) {
      said.push(
        `${suite}: ${String(error.stderr ?? error.message)
          .trim()
          .split('\n')
          .pop()}`,
      )
    }
  }
  throw new Error(`apt-get: ${said.join('; ')}`)
}

function unpack(name, suite, folder) {
  const env = {...process.env, APT_CONFIG: configure(name, suite, folder), DEBIAN_FRONTEND: 'noninteractive'}
  const run = (command, args) =>
    execFileSync(command, args, {cwd: folder, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe']})
  run('apt-get', ['update', '-q'])
  run('apt-get', ['download', '-q', 'nats-server'])
  const deb = readdirSync(folder).find((file) => file.endsWith('.deb'))
  run('dpkg-deb', ['-x', deb, 'root'])
  const places = ['usr/sbin', 'usr/bin'].map((place) => join(folder, 'root', place, 'nats-server'))
  return places.find((path) => existsSync(path)) ?? places[0]
}

/** Writes the configuration that replaces the system's; settings such as proxies are copied from there. */
function configure(name, suite, folder) {
  for (const place of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(folder, place), {recursive: true})
  const {uri, signedBy} = mirror(name)
  const option = signedBy === undefined ? '' : `[signed-by=${signedBy}] `
  writeFileSync(join(folder, 'sources.list'), `deb ${option}${uri} ${suite} ${components[name]}\n`)
  const path = join(folder, 'apt.conf')
  const own = {
    'Dir::Etc::Parts': '/dev/null',
    'Dir::Etc::Main': '/dev/null',
    'Dir::Etc::SourceList': join(folder, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Etc::Preferences': '/dev/null',
    'Dir::Etc::PreferencesParts': '/dev/null',
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(folder, 'cache'),
    'Acquire::Languages': 'none',
    'Acquire::Check-Valid-Until': 'false',
    'Acquire::Retries': '2',
    'APT::Sandbox::User': 'root',
  }
  const lines = Object.entries(own).map(([key, value]) => `${key} "${value}";`)
  writeFileSync(path, [systemAcquire(), ...lines, ''].join('\n'))
  return path
}

function systemAcquire() {
  const dumped = execFileSync('apt-config', ['dump', 'Acquire'], {encoding: 'utf8'})
  return dumped
    .split('\n')
    .filter((line) => /^Acquire::(https?|ftp)::\S* ".+";$/.test(line))
    .join('\n')
}

/** The mirror from which this machine gets its own distribution, in both formats of a sources list. */
function mirror(name) {
  const sources = sourceFiles().flatMap((path) => entriesOf(readFileSync(path, 'utf8')))
  const own = sources.find(({uri, suite}) => !/security/.test(uri) && suite === osRelease().VERSION_CODENAME)
  const any = own ?? sources.find(({uri}) => /\/(debian|ubuntu)\/?$/.test(uri))
  if (any === undefined) throw new Error('no mirror of this distribution among the apt sources')
  return {uri: any.uri, signedBy: existsSync(keyrings[name]) ? keyrings[name] : any.signedBy}
}

function sourceFiles() {
  const folder = '/etc/apt/sources.list.d'
  const parts = existsSync(folder) ? readdirSync(folder).filter((file) => /\.(list|sources)$/.test(file)) : []
  return ['/etc/apt/sources.list', ...parts.map((file) => join(folder, file))].filter((path) => existsSync(path))
}

function entriesOf(text) {
  const lines = [...text.matchAll(/^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)/gm)].map(([, options, uri, suite]) => ({
    uri,
    suite,
    signedBy: /signed-by=(\S+)/.exec(options ?? '')?.[1],
  }))
  const stanzas = text.replace(/^#.*\n?/gm, '').split(/\n\s*\n/)
  const fields = (stanza, name) =>
    new RegExp(`^${name}:[ \\t]*(\\S.*)`, 'im').exec(stanza)?.[1].trim().split(/\s+/) ?? []
  const blocks = stanzas.flatMap((stanza) =>
    fields(stanza, 'URIs').flatMap((uri) =>
      fields(stanza, 'Suites').map((suite) => ({uri, suite, signedBy: fields(stanza, 'Signed-By')[0]})),
    ),
  )
  return [...lines, ...blocks]
}

/** `debian` or `ubuntu`, also for derived distributions that use their packages. */
function distribution() {
  const {ID = '', ID_LIKE = ''} = osRelease()
  const ids = [ID, ...ID_LIKE.split(' ')]
  return ids.includes('ubuntu') ? 'ubuntu' : ids.includes('debian') ? 'debian' : undefined
}

function osRelease() {
  if (!existsSync('/etc/os-release')) return {}
  const lines = readFileSync('/etc/os-release', 'utf8').matchAll(/^([A-Z_]+)="?([^"\n]*)"?$/gm)
  return Object.fromEntries([...lines].map(([, key, value]) => [key, value]))
}
