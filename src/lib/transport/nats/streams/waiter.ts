export interface Waiter {
  resolve(): void
  reject(error: unknown): void
}

/** A promise to be settled later. */
export function waiter(): Waiter & {promise: Promise<void>} {
  const parts: Waiter = {resolve: () => {}, reject: () => {}}
  const promise = new Promise<void>((resolve, reject) => Object.assign(parts, {resolve, reject}))
  // Who does not wait hears of it from `flush`.
  promise.catch(() => {})
  return Object.assign(parts, {promise})
}

export function refusing(failure: unknown): Promise<void> {
  const {promise, reject} = waiter()
  reject(failure)
  return promise
}
