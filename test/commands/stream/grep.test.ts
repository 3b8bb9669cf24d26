import {describe, expect, test} from 'vitest'
import {onBothBuses} from '../../both-buses.ts'

describe('stream grep', () => {
  onBothBuses((newScene) => {
    test('finds the newest messages first, in payloads, subjects and headers', async () => {
      await using scene = await newScene()
      const {streams} = scene.transport
      const grep = (...args: string[]) => scene.run(['stream', 'grep', 'G', ...args])
      await streams.add({name: 'G', subjects: ['g.*']})
      expect(await grep('x')).toMatchObject({code: 5, stderr: 'bus: no match among 0 messages of G\n'})
      await using publisher = streams.publisher()
      for (let n = 1; n <= 1000; n++)
        await publisher.push({
          subject: n % 2 === 1 ? 'g.odd' : 'g.even',
          data: JSON.stringify({n}),
          ...(n === 7 && {headers: [['X-Kind', 'Lucky'] as const]}),
        })
      await publisher.flush()
      const found = async (...args: string[]) => {
        const {stdout, code} = await grep(...args, '--raw')
        expect(code).toBe(0)
        return (stdout.match(/\d+/g) ?? []).map(Number)
      }
      expect(await found('"n":99[89]')).toEqual([999, 998])
      expect(await found('"n":99[89]', '--oldest-first')).toEqual([998, 999])
      expect(await found('n', '-n', '2')).toEqual([1000, 999])
      expect(await found('x-kind: l', '--ignore-case')).toEqual([7])
      expect((await grep('X-KIND')).code).toBe(5)
      expect(await found('g.odd', '-n', '2', '--from', '-10')).toEqual([999, 997])
      expect(await found('":12$|":3}', '--filter', 'g.odd')).toEqual([3])
      expect(await found('--where', 'json.n > 500 and json.n < 503')).toEqual([502, 501])
      expect(await found('502', '--where', 'json.n > 500 and json.n < 503')).toEqual([502])
      expect(await found('":600}', '-A', '1', '-B', '2')).toEqual([601, 600, 599, 598])
      expect(await found('":600}', '-A', '1', '-B', '2', '--oldest-first')).toEqual([598, 599, 600, 601])
      expect(await found('":60[02]', '-C', '1', '--filter', 'g.even')).toEqual([604, 602, 600, 598])
      const shown = (await grep(':60[04]}', '-C', '1')).stdout
      expect(shown.replace(/#\d+ \S+ g\.\w+ /g, '')).toBe(
        '{"n":605}\n{"n":604}\n{"n":603}\n--\n{"n":601}\n{"n":600}\n{"n":599}\n',
      )
      const total = await grep(':1', '--total', '--json')
      expect(JSON.parse(total.stdout)).toEqual({stream: 'G', matched: 112, searched: 1000})
      expect(await grep(':1', '--total')).toMatchObject({code: 0, stdout: '112\n'})
      expect(await grep('nothing', '--total')).toMatchObject({code: 5, stdout: '0\n'})
      const [record] = (await grep(':7}', '--json')).stdout.split('\n')
      expect(JSON.parse(record ?? '')).toMatchObject({subject: 'g.odd', json: {n: 7}, headers: {'X-Kind': 'Lucky'}})
    })

    test('finds every message of a range, however it is divided', async () => {
      await using scene = await newScene()
      const {streams} = scene.transport
      await streams.add({name: 'G', subjects: ['g.*']})
      await using publisher = streams.publisher()
      const large = 'x'.repeat(900_000)
      for (let n = 1; n <= 30; n++) await publisher.push({subject: 'g.a', data: `${n} small`})
      for (let n = 31; n <= 60; n++) await publisher.push({subject: 'g.a', data: `${n} ${large}`})
      await publisher.flush()
      const {stdout} = await scene.run(['stream', 'grep', 'G', '.', '-f', '{seq}'])
      const seqs = stdout.trim().split('\n').map(Number)
      expect(seqs).toHaveLength(60)
      expect(seqs).toEqual(seqs.toSorted((one, other) => other - one))
      const [last = 0] = seqs
      const part = await scene.run([
        'stream',
        'grep',
        'G',
        '.',
        '-f',
        '{seq}',
        '--from',
        `${last - 9}`,
        '--to',
        `${last - 5}`,
      ])
      expect(part.stdout.trim().split('\n').map(Number)).toEqual([5, 6, 7, 8, 9].map((n) => last - n))
    })

    test('refuses what it cannot search for', async () => {
      await using scene = await newScene()
      expect((await scene.run(['stream', 'grep', 'G'])).code).toBe(2)
      expect((await scene.run(['stream', 'grep', 'G', '(?=a)'])).code).toBe(2)
      expect((await scene.run(['stream', 'grep', 'G', 'a'])).code).toBe(5)
    })
  })
})
