/**
 * For a stream that may last for days. V8 lets the space for short-lived objects grow to 3 x 32 MiB as long as it is
 * busy; kept at its first size, `sub --json` stays at 120 instead of 210 MiB, for less than a fifth of its speed.
 */
export function staySmall(): void {
  // Not imported: it brings Node's streams with it, and this file is loaded with commands that do not stream.
  process.getBuiltinModule('node:v8').setFlagsFromString('--semi-space-growth-factor=1')
}
