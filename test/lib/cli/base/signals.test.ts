import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {afterEach, expect, it} from 'vitest'

const source = new URL('../../../../src/lib/cli/base/signals.ts', import.meta.url).href
const children = new Set<ChildProcess>()

afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})

interface Program {
  readonly exit: Promise<unknown[]>
  kill(signal: NodeJS.Signals): void
  /** Resolves when it has written this line. */
  said(line: string): Promise<void>
}

/** A program that reports when it listens and when it receives a signal, and then continues. */
function program(after = ''): Program {
  const code = `
    const {stopOnSignal, whenLeaving} = await import('${source}')
    const {writeSync} = await import('node:fs')
    const say = (line) => writeSync(1, line + '\\n')
    const stop = new AbortController()
    const listening = stopOnSignal(stop)
    stop.signal.addEventListener('abort', () => say('stopped'))
    setInterval(() => {}, 1000)
    ${after}
    say('listening')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {stdio: ['ignore', 'pipe', 'inherit']})
  children.add(child)
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  return {
    exit: once(child, 'close'),
    kill: (signal) => void child.kill(signal),
    async said(line) {
      while (!text.split('\n').includes(line)) {
        const ended = once(child, 'close').then(() => Promise.reject(new Error(`it ended without ${line}: ${text}`)))
        await Promise.race([once(child.stdout, 'data'), ended])
      }
    },
  }
}

it.each([
  ['SIGINT', 'SIGINT'],
  ['SIGTERM', 'SIGINT'],
  ['SIGINT', 'SIGTERM'],
] as const)('%s requests a stop, and %s after that kills', async (first, second) => {
  const child = program()
  await child.said('listening')
  child.kill(first)
  await child.said('stopped')
  child.kill(second)
  expect(await child.exit).toEqual([null, second])
})

it('handlers are removed on disposal', async () => {
  const child = program('listening[Symbol.dispose]()')
  await child.said('listening')
  child.kill('SIGINT')
  expect(await child.exit).toEqual([null, 'SIGINT'])
})

it('work is done before the second signal kills', async () => {
  const child = program(`
    whenLeaving(stop.signal, () => say('last'))
    stop.signal.addEventListener('abort', () => say('armed'))`)
  await child.said('listening')
  child.kill('SIGINT')
  await child.said('armed')
  child.kill('SIGTERM')
  await child.said('last')
  expect(await child.exit).toEqual([null, 'SIGTERM'])
})

it('work is done at the end of the scope, too', async () => {
  const child = program(`
    whenLeaving(stop.signal, () => say('left'))[Symbol.dispose]()
    listening[Symbol.dispose]()`)
  await child.said('left')
  await child.said('listening')
  child.kill('SIGINT')
  expect(await child.exit).toEqual([null, 'SIGINT'])
})
