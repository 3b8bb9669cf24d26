/** Check files with eight in parallel, as a whole process, on a bus file and on a server. */
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {NatsServer} from '../test/nats-server.ts'
import {bus, type Case, inFolder, median, type Row, start, time} from './measure.ts'

const files = 20
const rounds = 3

export const checks: Case = {
  name: 'checks',
  rows: () =>
    inFolder(async (folder) => {
      const list = Array.from({length: 10}, (_, n) => ({
        name: `check ${n}`,
        ...(n % 2 === 0
          ? {req: {subject: 'echo', json: {n}}, expect: `json.n = ${n}`}
          : {messages: {subject: `m${n}.{me}`, do: [{pub: `m${n}.{me}`}]}}),
      }))
      for (let n = 0; n < files; n++)
        writeFileSync(join(folder, `${n}.yaml`), JSON.stringify({vars: {me: n}, checks: list}))
      await using server = await NatsServer.start()
      return [
        await measured('a bus file', join(folder, 'bus.db'), folder),
        await measured('NATS', server.url(), folder),
      ]
    }),
}

async function measured(name: string, url: string, folder: string): Promise<Row> {
  const service = start('serve', url)
  try {
    await service.line()
    const times = Array.from({length: rounds}, () => time([bus, 'check', folder, '--jobs', '8', '--bus', url]))
    return {what: `bus check, 200 checks in 20 files, ${name}`, value: median(times), unit: 'ms', bar: {atMost: 5000}}
  } finally {
    service.child.kill()
    await service.ended
  }
}
