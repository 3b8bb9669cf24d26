/** The commands on a NATS server, alternating with a bare nats.js loop in a process of its own on the same server. */
import {spawnSync} from 'node:child_process'
import {openSync} from 'node:fs'
import {join} from 'node:path'
import {NatsServer} from '../test/nats-server.ts'
import {besideBare, bus, type Case, inFolder, type Pair, rateOf, start, startBus, time, writeLines} from './measure.ts'

const count = 1_000_000
const requests = 20_000
const rounds = 5

export const nats: Case = {
  name: 'nats',
  rows: () =>
    inFolder(async (folder) => {
      await using server = await NatsServer.start()
      const url = server.url()
      const lines = join(folder, 'lines.txt')
      await writeLines(lines, count)
      const pub: Pair[] = []
      const sub: Pair[] = []
      const req: Pair[] = []
      for (let i = 0; i < rounds; i++) {
        pub.push({
          bare: await rateOf('natsPublish', url, String(count)),
          ours: count / time([bus, 'pub', 'load', '--lines', '--file', lines, '--bus', url]),
        })
        const [bare, ours] = [await bareSubscribe(url), await subscribe(url, join(folder, 'output'))]
        if (ours !== undefined) sub.push({bare, ours})
        req.push(await ask(url))
      }
      return [
        ...besideBare('publish', 'bus pub --lines, 1 M x 128 B, whole process', pub, 80),
        ...besideBare('callback subscription', 'bus sub --raw, 1 M into a file', sub, 80),
        {what: '  rounds in which it dropped messages', value: rounds - sub.length, unit: `of ${rounds}`},
        ...besideBare('concurrent requests', 'bus req -n 20000 -c 64', req, 70),
      ]
    }),
}

/** From the first published message to the last shown one. */
async function bareSubscribe(url: string): Promise<number> {
  const subscriber = start('natsSubscribe', url, String(count))
  await subscriber.line()
  return publishUntil(url, subscriber.ended)
}

/** Undefined if messages were dropped, which happens when other processes keep the machine busy. */
async function subscribe(url: string, path: string): Promise<number | undefined> {
  const output = openSync(path, 'w')
  const args = ['sub', 'load', '-n', String(count), '--raw', '--idle', '2s', '--bus', url]
  const subscriber = await startBus(args, output)
  const rate = await publishUntil(url, subscriber.ended)
  return (await subscriber.ended) === 0 ? rate : undefined
}

async function publishUntil(url: string, ended: Promise<unknown>): Promise<number> {
  const publisher = start('natsPublish', url, String(count), 'tell')
  await publisher.line()
  const begin = performance.now()
  await ended
  const rate = count / (performance.now() - begin)
  await publisher.ended
  return rate
}

async function ask(url: string): Promise<Pair> {
  const responder = start('natsRespond', url)
  await responder.line()
  const bare = await rateOf('natsRequest', url, String(requests), '64')
  const args = [bus, 'req', 'echo', 'ping', '-n', String(requests), '-c', '64', '--json', '--bus', url]
  const ours = JSON.parse(spawnSync(process.execPath, args, {encoding: 'utf8'}).stdout).rate / 1000
  responder.child.kill()
  await responder.ended
  return {bare, ours}
}
