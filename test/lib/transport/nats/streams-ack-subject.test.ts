import {describe, expect, it} from 'vitest'
import {AckSubject} from '../../../../src/lib/transport/nats/streams/ack-subject.ts'

const short = '$JS.ACK.ORDERS.worker.3.1042.7.1763632800123456789.58'
const long = '$JS.ACK.hub.ACCHASH.ORDERS.worker.3.1042.7.1763632800123456789.58'
const told = {deliveries: 3, seq: 1042, consumerSeq: 7, time: 1_763_632_800_123 + 456_789 / 1e6, pending: 58}

describe('the subject of an acknowledgement', () => {
  for (const [form, subject] of [
    ['in its short form', short],
    ['with domain and account', long],
    ['with domain, account and a token more', `${long}.Xy7`],
    ['with no domain', long.replace('hub', '_')],
  ] as const) {
    it(`${form} has the data of its message, also the second time`, () => {
      const ack = new AckSubject()
      for (let time = 0; time < 2; time++) {
        expect(ack.read(Buffer.from(subject))).toBe(true)
        expect(ack).toMatchObject(told)
      }
      expect(ack.read(Buffer.from(subject.replace('1042', '9007199254740991')))).toBe(true)
      expect(ack).toMatchObject({...told, seq: 9007199254740991})
    })
  }

  for (const subject of ['', 'orders', '$JS.ACK.ORDERS.worker.1.2', 'a.b.c.d.1.2.3.4.5']) {
    it(`is not ${JSON.stringify(subject)}`, () => {
      expect(new AckSubject().read(Buffer.from(subject))).toBe(false)
    })
  }
})
