/** The package as it would be published, in a separate folder; its dependencies are those of the checkout. */
import {execFile} from 'node:child_process'
import {cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {promisify} from 'node:util'
import {root} from '../bus.ts'

const run = promisify(execFile)

export interface Installed extends Disposable {
  /** With `node_modules/busline` and the examples. */
  readonly folder: string
  readonly tarball: string
}

export async function installPackage(): Promise<Installed> {
  const folder = mkdtempSync(join(tmpdir(), 'busline-package-'))
  const {stdout} = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {cwd: root})
  const [packed] = Object.values(JSON.parse(stdout)) as {filename: string}[]
  const tarball = join(folder, packed?.filename ?? '')
  const home = join(folder, 'node_modules')
  mkdirSync(join(home, 'busline'), {recursive: true})
  await run('tar', ['-xzf', tarball, '-C', join(home, 'busline'), '--strip-components', '1'])
  const {dependencies} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const name of [...Object.keys(dependencies), '@types/node', 'undici-types']) {
    mkdirSync(dirname(join(home, name)), {recursive: true})
    symlinkSync(join(root, 'node_modules', name), join(home, name))
  }
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  cpSync(join(root, 'examples'), folder, {recursive: true})
  return {folder, tarball, [Symbol.dispose]: () => rmSync(folder, {recursive: true})}
}
