import {join} from 'node:path'
import {afterAll, beforeAll, describe, test} from 'vitest'
import {NatsServer} from '../nats-server.ts'
import {both, bothLines} from './both.ts'
import {check, expectedFile, folder, withRunner} from './visit.ts'

describe('on both buses:', () => {
  let server: NatsServer
  beforeAll(async () => {
    server = await NatsServer.start((home) => `jetstream {store_dir: "${home}"}`)
  }, 120_000)
  afterAll(() => server[Symbol.asyncDispose]())

  test.concurrent.for(both)('$name', async (animal, {expect}) => {
    const path = join(folder, `${animal.name.replaceAll(' ', '-')}.db`)
    const shown = await withRunner(async (runner) => {
      let text = `## ${animal.about}\n`
      // Each bus counts sizes in its own way.
      const play = async (line: string, url: string) =>
        (await runner.play(line, url)).replace(/^(size +).*/gm, '$1SIZE').replace(/\d+ B$/gm, 'SIZE')
      for (const line of bothLines(animal)) {
        const onFile = await play(line, `sqlite:${path}`)
        const onServer = await play(line, server.url())
        text += `$ ${line}\n${onFile === onServer ? onFile : `[on a bus file]\n${onFile}[on a server]\n${onServer}`}`
      }
      return text
    })
    await check(expect, shown, expectedFile('both', animal.name))
  })
})
