import {getBuiltinModule} from 'node:process'

/**
 * Frees the memory of bytes that nobody uses any more, which are then empty. The garbage collector lets large buffers pile up
 * to more than 64 MB, because to it they are small objects. Only for whole buffers of at least 1 MiB.
 */
export function freeBytes(bytes: Uint8Array): void {
  const {buffer} = bytes
  if (bytes.length < leastBytes || bytes.length !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return
  collectEarlier()
  buffer.transfer(0)
}

const leastBytes = 1024 * 1024

/** Large texts pile up as well: with this flag V8 collects them when the heap has grown by a tenth. */
function collectEarlier(): void {
  getBuiltinModule('v8').setFlagsFromString('--heap-growing-percent=10')
}
