import {describe, test} from 'vitest'
import {clusterFiles, clusterLines, clusterText, clusterWithOneDown, leafLines, leafPair} from './networks.ts'
import {check, expectedFile, linesMet, varyingSize, withRunner} from './visit.ts'

describe('networks:', () => {
  test('leaf node', {timeout: 120_000, retry: 0}, async ({expect}) => {
    await using pair = await leafPair()
    const shown = await withRunner(async (runner) => {
      let text = '## A leaf node with a domain of its own; it and its hub each have a stream S.\n'
      for (const [place, line] of leafLines) {
        const url = pair[place].url()
        const played = varyingSize(await runner.play(line, url))
        text += `$ ${line}\n[at the ${place}]\n${played}`
      }
      return text
    })
    await check(expect, shown, expectedFile('networks', 'leaf node'))
  })

  test('cluster with a server down', {timeout: 120_000}, async ({expect}) => {
    await using cluster = await clusterWithOneDown()
    const url = cluster.servers[1].url()
    const shown = await Promise.all(
      clusterLines.map((lines) =>
        withRunner((runner) => {
          for (const [name, text] of Object.entries(clusterFiles)) runner.write(name, text)
          return linesMet(runner, url, lines)
        }),
      ),
    )
    const about = '## A cluster with a server down: HERE is on all servers, LOST only on that one.\n'
    await check(expect, clusterText(about + shown.join('')), expectedFile('networks', 'cluster with a server down'))
  })
})
