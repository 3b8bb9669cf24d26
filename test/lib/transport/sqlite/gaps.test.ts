import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import type {Notice} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'
import {Database} from '../../../../src/lib/transport/sqlite/database.ts'
import {temporaryFolder} from './processes.ts'

describe('a subscriber that did not read for longer than messages are kept', () => {
  test('gets one notice of how many messages it missed', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const notices: Notice[] = []
    await using bus = await open(path, {notify: (notice) => notices.push(notice)})
    const subscription = await bus.subscribe('a')
    for (let n = 1; n <= 3000; n++) bus.publish({subject: 'a', data: String(n)})
    await bus.flush()
    await age(path)
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

  test('gets one notice as a member of a queue group', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const notices: Notice[] = []
    await using bus = await open(path, {notify: (notice) => notices.push(notice)})
    const subscription = await bus.subscribe(['a', 'c'], {queue: 'q'})
    for (const data of ['1', '2', '3']) bus.publish({subject: 'a', data})
    await bus.flush()
    expect((await subscription.take(1))[0]?.text).toBe('1')
    await age(path)
    bus.publish({subject: 'a', data: 'last'})
    await bus.flush()
    expect((await subscription.take(5)).map(({text}) => text)).toEqual(['last'])
    expect(notices).toEqual([
      {
        kind: 'gap',
        text: expect.stringMatching(/^\d+ messages between #2 and #\d were removed before they were read$/),
      },
    ])
  })

  test('gets one notice when messages to inboxes are removed after a minute', async () => {
    const path = join(temporaryFolder(), 'bus.db')
    const notices: Notice[] = []
    await using bus = await open(path, {notify: (notice) => notices.push(notice)})
    const subscription = await bus.subscribe('_INBOX.>')
    for (let n = 1; n <= 3000; n++) bus.publish({subject: `_INBOX.x.${n}`, data: String(n)})
    await bus.flush()
    await age(path)
    bus.publish({subject: '_INBOX.x.last', data: 'last'})
    await bus.flush()
    const seen: string[] = []
    while (seen.at(-1) !== 'last') for (const {text} of await subscription.take(512)) seen.push(text)
    const missed = 3001 - seen.length
    expect(missed).toBeGreaterThan(0)
    expect(notices).toEqual([{kind: 'gap', text: `${missed} messages to inboxes were removed before they were read`}])
  })
})

/** All messages have expired, and some publishers remove them. */
async function age(path: string): Promise<void> {
  const db = new Database(path)
  db.exec('UPDATE msg SET ts = ts - 7200000000; UPDATE eph SET ts = ts - 7200000000')
  db.close()
  for (let n = 0; n < 5; n++) {
    await using other = await open(path)
    other.publish({subject: 'b', data: 'x'})
    await other.flush()
  }
}
