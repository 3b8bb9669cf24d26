import type {BusError} from '../../core/errors.ts'
import type {Outgoing} from '../../core/message.ts'
import {PublishWindow} from '../shared/publish-window.ts'
import type {PublisherOptions, Stored} from '../streams-contract.ts'

/** Each message is stored immediately; its acknowledgement follows asynchronously, as on the other buses. */
export class MemoryPublisher extends PublishWindow {
  readonly #store: (message: Outgoing) => Stored | BusError

  /** `store` throws `usage` for an invalid message. */
  constructor(url: string, store: (message: Outgoing) => Stored | BusError, options: PublisherOptions) {
    super(url, options)
    this.#store = store
  }

  protected send(message: Outgoing, index: number): void {
    const outcome = this.#store(message)
    queueMicrotask(() => this.settle(index, outcome))
  }
}
