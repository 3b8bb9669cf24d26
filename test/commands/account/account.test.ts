import {expect, test} from 'vitest'
import {bus} from '../../bus.ts'
import {NatsServer} from '../../nats-server.ts'

test('account info without a system account shows what is known', async () => {
  await using server = await NatsServer.start('no_system_account: true')
  const {code, stdout} = await bus(['account', 'info', '-b', server.url()])
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^account +not known\nconnections +not known\n/)])
  expect(stdout).toMatch(/^JetStream +none: not enabled on this server$/m)
})
