/**
 * src/commands/index.ts, the table of commands. A command is a file whose default export is a class; its id is its path,
 * where `command.ts` stands for its folder: `stream/add.ts` is `stream add`, `pub/command.ts` is `pub`.
 */
import {globSync, readFileSync} from 'node:fs'
import {join} from 'node:path'

/** The files of all commands, from src/commands, sorted by id. */
export function commandFiles(root: string): string[] {
  const folder = join(root, 'src/commands')
  const files = globSync('**/*.ts', {cwd: folder}).map((file) => file.replaceAll('\\', '/'))
  const found = files.filter((file) => /^export default class /m.test(readFileSync(join(folder, file), 'utf8')))
  return found.sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
}

/** `stream add` for `stream/add.ts`. */
export function idOf(file: string): string {
  return file.replace(/(\/command)?\.ts$/, '').replaceAll('/', ' ')
}

/** The text of src/commands/index.ts; `files` are those of `commandFiles`. */
export function commandTable(files: readonly string[]): string {
  const rows = files.map((file) => `  ['${idOf(file)}', () => import('./${file}')],`)
  return `// Written by \`npm run build\` from the files of this folder.
import type {CommandModule} from '../lib/cli/base/command.ts'

/** Loads a command by its id: \`pub\`, \`stream add\`. */
export const commands = new Map<string, () => Promise<CommandModule>>([
${rows.join('\n')}
])
`
}
