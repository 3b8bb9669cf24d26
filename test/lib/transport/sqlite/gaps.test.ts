import {join} from 'node:path'
import Database from 'better-sqlite3'
import {describe, expect, test} from 'vitest'
import type {Notice} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {temporaryFolder} from './processes.ts'

describe('a subscriber that did not read for longer than messages are kept', () => {
  test('gets one notice of how many messages it missed', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const notices: Notice[] = []
    await using bus = await open(path, {notify: (notice) => notices.push(notice)})
    const subscription = await bus.subscribe('a')
    for (let n = 1; n <= 3000; n++) bus.publish({subject: 'a', data: String(n)})
    await bus.flush()
    const db = new Database(path)
    db.exec('UPDATE msg SET ts = ts - 7200000000')
    db.close()
    for (let n = 0; n < 5; n++) {
      await using other = await open(path)
      other.publish({subject: 'b', data: 'x'})
      await other.flush()
    }
    bus.publish({subject: 'a', data: 'last'})
    await bus.flush()
    const seen: string[] = []
    while (seen.at(-1) !== 'last') for (const {text} of await subscription.take(512)) seen.push(text)
    const missed = 3001 - seen.length
    expect(missed).toBeGreaterThan(0)
    expect(notices).toEqual([
      {kind: 'gap', text: `${missed} messages between #${seen.length} and #3000 were removed before they were read`},
    ])
  })
})
