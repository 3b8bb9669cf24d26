const units: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Milliseconds of `100ms`, `5s`, `1.5m`, `2h`, `1h30m`; undefined if the text is not a duration. */
export function durationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(us|ms|s|m|h|d))+$/.test(text)) return undefined
  let ms = 0
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-z]+)/g)) ms += Number(amount) * (units[unit ?? ''] ?? 0)
  return Number.isFinite(ms) ? ms : undefined
}

/** The exact duration as written on a command line: `2m`, `1h30m`, `1s500ms`. */
export function durationText(ms: number): string {
  let rest = Math.round(ms * 1000)
  let text = ''
  for (const [unit, unitMs] of Object.entries(units).reverse()) {
    const amount = Math.floor(rest / (unitMs * 1000))
    rest -= amount * unitMs * 1000
    if (amount > 0) text += `${amount}${unit}`
  }
  return text || '0s'
}
