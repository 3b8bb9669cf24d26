/** `A`, `A and B`, `A, B and C` */
export function enumeration(things: readonly string[]): string {
  return new Intl.ListFormat('en-GB').format(things)
}
