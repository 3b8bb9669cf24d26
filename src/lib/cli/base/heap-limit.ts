/**
 * Limits the heap of a command that may run for days. V8 lets the space for short-lived objects grow to 3 x 32 MiB while it is
 * busy. With the initial size, `sub --json` needs 120 instead of 210 MiB and loses less than a fifth of its speed.
 */
export function limitHeap(): void {
  // Not imported, because that would load Node's streams, and commands that do not stream load this file too.
  process.getBuiltinModule('node:v8').setFlagsFromString('--semi-space-growth-factor=1')
}
