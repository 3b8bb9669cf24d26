import type {Message, Notice, OpenOptions, Subscription, Transport} from '../../../../src/lib/transport/contract.ts'
import {open} from '../../../../src/lib/transport/open.ts'

/** A connection and its notices. */
export class Watched implements AsyncDisposable {
  readonly bus: Transport
  readonly notices: Notice[]
  readonly #heard: Set<() => void>

  private constructor(bus: Transport, notices: Notice[], heard: Set<() => void>) {
    this.bus = bus
    this.notices = notices
    this.#heard = heard
  }

  static async open(url: string, options: OpenOptions = {}): Promise<Watched> {
    const notices: Notice[] = []
    const heard = new Set<() => void>()
    const notify = (notice: Notice) => {
      notices.push(notice)
      for (const hear of heard) hear()
    }
    return new Watched(await open(url, {notify, ...options}), notices, heard)
  }

  get kinds(): string[] {
    return this.notices.map(({kind}) => kind)
  }

  /** Resolves when this notice has occurred, or the `count`th one. */
  async told(kind: Notice['kind'], count = 1): Promise<void> {
    while (this.kinds.filter((each) => each === kind).length < count) {
      await new Promise<void>((resolve) => this.#heard.add(resolve))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bus.close().catch(() => {})
  }
}

export async function take(subscription: Subscription, count: number): Promise<string[]> {
  const all: Message[] = []
  while (all.length < count) {
    const taken = await subscription.take(count - all.length)
    if (taken.length === 0) throw new Error(`the subscription ended after ${all.length}`)
    all.push(...taken)
  }
  return all.map(({text}) => text)
}

export const numbers = (from: number, to: number) => Array.from({length: to - from + 1}, (_, i) => String(from + i))
