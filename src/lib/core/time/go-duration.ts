const unitMs: Readonly<Record<string, number>> = {
  ...{h: 3_600_000, m: 60_000, s: 1000},
  ...{ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6},
}

/** Milliseconds of a duration as Go, and so a NATS server, writes it: `1m2.5s`, `23.986129ms`. */
export function milliseconds(text: string): number {
  const parts = text.matchAll(/([\d.]+)(h|ms|m|s|[uµμ]s|ns)/g)
  return [...parts].reduce(
    (sum, [, figure, unit = '']) => sum + Number(figure) * (unitMs[unit.replace('μ', 'µ')] ?? 0),
    0,
  )
}
