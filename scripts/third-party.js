/** The packages whose code is in `dist`, and the text of their licences. */
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'

/** Folders of the bundled packages, `node_modules/chalk`, from the metafiles of esbuild. */
export function bundledPackages(metafiles) {
  const inputs = metafiles.flatMap(({outputs}) => Object.values(outputs).flatMap(({inputs}) => Object.keys(inputs)))
  const folders = inputs.map((path) => /^(?:[\w-]+:)?(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
  return [...new Set(folders)].filter((folder) => folder !== undefined).sort()
}

/** One section for each package: name, version, licence, and the text that its authors require with every copy. */
export function licences(root, folders) {
  const sections = folders.map((folder) => {
    const {name, version, license} = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
    return `# ${name} ${version}, ${license}\n\n${licenceText(root, folder, license).trim()}\n`
  })
  const head = 'busline contains code of these packages. Their licences:\n'
  return [head, ...sections].join('\n').replaceAll('\r\n', '\n')
}

function licenceText(root, folder, license) {
  const files = readdirSync(join(root, folder)).filter((file) => /^(licence|license|notice)\b/i.test(file))
  if (files.length > 0) return files.map((file) => readFileSync(join(root, folder, file), 'utf8')).join('\n')
  // Of the packages that have no such file, each has the licence of busline.
  if (license === 'Apache-2.0') return 'The text is in the file LICENSE of busline.'
  throw new Error(`${folder} has no text of its licence`)
}
