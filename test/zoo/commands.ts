/**
 * Runs command lines one after the other in one process, because starting one for each would take minutes: reads a line of JSON
 * for each from stdin, and writes a line with its exit code to stdout and to stderr after its output. With
 * arguments it runs these, as a worker of `bus bench`.
 */
import {createInterface} from 'node:readline'
import pkg from '../../package.json' with {type: 'json'}
import {commands} from '../../src/commands/index.ts'
import {writeAll} from '../../src/lib/cli/io/terminal.ts'
import type {CommandLine} from './command-runner.ts'

async function run(words: readonly string[]): Promise<void> {
  const [one = '', two = ''] = words
  const id = commands.has(`${one} ${two}`) ? `${one} ${two}` : one
  const command = (await commands.get(id)?.())?.default
  if (command === undefined) throw new Error(`there is no command ${id}`)
  command.id = id.replace(' ', ':')
  await command.start(words.slice(id.split(' ').length), pkg)
}

if (process.argv.length > 2) await run(process.argv.slice(2))
else {
  for await (const line of createInterface({input: process.stdin})) {
    const {words, url}: CommandLine = JSON.parse(line)
    process.env['BUS_URL'] = url
    process.exitCode = 0
    await run(words)
    for (const fd of [1, 2]) writeAll(fd, `\0${process.exitCode}\n`)
  }
}
