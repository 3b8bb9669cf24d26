import fc from 'fast-check'
import {expect, test} from 'vitest'
import {exactText} from '../../../../src/lib/core/text/exact-text.ts'

test('bytes that are not UTF-8 are restored from exact text, in which each of them is a lone surrogate', () => {
  const back = (text: string) =>
    Buffer.concat(
      [...text].map((char) =>
        /^[\udc80-\udcff]$/.test(char) ? Buffer.from([char.charCodeAt(0) - 0xdc00]) : Buffer.from(char),
      ),
    )
  fc.assert(fc.property(fc.uint8Array(), (bytes) => back(exactText(bytes)).equals(Buffer.from(bytes))))
  fc.assert(fc.property(fc.string({unit: 'binary'}), (text) => exactText(Buffer.from(text)) === text))
  expect(exactText(Buffer.from('caf\xe9 \ufffd', 'latin1'))).toBe('caf\udce9 \udcfd')
  expect(exactText(Buffer.from([0xed, 0xb3, 0xbf]))).toBe('\udced\udcb3\udcbf')
})
