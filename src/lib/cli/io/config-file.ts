/** The configuration of a stream or a consumer as a file: read, or edited in the user's editor. */
import {spawnSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {BusError} from '../../core/errors.ts'
import {isObject} from '../../core/text/json-text.ts'
import {readAll} from './input.ts'
import {isTerminal} from './terminal.ts'

type Config = Readonly<Record<string, unknown>>

/** Reads a JSON or YAML file; of a whole document of `info --json`, its `config`. Throws `usage` with the position of an error. */
export async function readConfig(path: string, signal: AbortSignal): Promise<Config> {
  const bytes = await readAll(path, signal)
  return parseConfig(Buffer.from(bytes).toString(), path)
}

/** Opens the configuration in the editor, and returns it as it is afterwards. Fails with `usage` without a terminal. */
export async function editConfig(name: string, config: Config): Promise<Config> {
  if (!isTerminal(0) || !isTerminal(2))
    throw new BusError('usage', 'an editor needs a terminal', {try: ['--config', 'the flags of the settings']})
  const {yamlText} = await import('../../checks/yaml.ts')
  const editor = process.env['VISUAL'] || process.env['EDITOR'] || 'vi'
  const folder = mkdtempSync(join(tmpdir(), 'busline-edit-'))
  const path = join(folder, `${name}.yaml`)
  try {
    writeFileSync(path, yamlText(config), {mode: 0o600})
    // The variable may contain options, as in `code --wait`.
    const [program = 'vi', ...options] = editor.trim().split(/\s+/)
    const {status, error} = spawnSync(program, [...options, path], {stdio: 'inherit'})
    if (error !== undefined || status !== 0)
      throw new BusError('usage', `the editor ${editor} failed: ${error?.message ?? `exit code ${status}`}`, {
        try: ['set EDITOR'],
      })
    return parseConfig(readFileSync(path, 'utf8'), path)
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
}

async function parseConfig(text: string, path: string): Promise<Config> {
  const {parseYaml} = await import('../../checks/yaml.ts')
  const {value, faults} = parseYaml(text)
  const [fault] = faults
  if (fault !== undefined) throw new BusError('usage', `${path}:${fault.line}:${fault.column}: ${fault.sentence}`)
  if (!isObject(value)) throw new BusError('usage', `${path} contains no configuration`)
  const {config} = value
  return isObject(config) ? config : value
}
