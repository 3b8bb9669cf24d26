/**
 * Prints the software bill of materials of the package: what it installs and what its code contains, in CycloneDX. `npm sbom`
 * alone lists either the first without the second, or also every tool of the checkout. Run after a build.
 */
import {execFileSync} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))

const notices = readFileSync(join(root, 'THIRD-PARTY.txt'), 'utf8')
const bundled = [...notices.matchAll(/^# (\S+) (\d\S+), /gm)].map(([, name, version]) => `${name}@${version}`)
const installed = Object.entries(lock.packages)
  .filter(([path, {dev, devOptional}]) => path !== '' && !dev && !devOptional)
  .map(([path, {version}]) => `${path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)}@${version}`)
const all = JSON.parse(
  execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'], {cwd: root, maxBuffer: 2 ** 26}),
)
const own = all.metadata.component['bom-ref']
const wanted = new Set([own, ...bundled, ...installed])
const isWanted = (component) => wanted.has(component['bom-ref'])
const components = all.components.filter(isWanted).map((component) => ({
  ...component,
  // The code of a bundled package is in busline itself, although the checkout needs the package for the build only.
  properties: bundled.includes(component['bom-ref']) ? [{name: 'busline:bundled', value: 'true'}] : [],
}))
const dependencies = all.dependencies
  .filter(({ref}) => wanted.has(ref))
  .map(({ref, dependsOn}) => ({ref, dependsOn: dependsOn.filter((name) => wanted.has(name))}))
const component = {...all.metadata.component, name: 'busline', properties: []}
console.log(JSON.stringify({...all, metadata: {...all.metadata, component}, components, dependencies}, null, 2))
