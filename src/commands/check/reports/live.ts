/** The last lines of a terminal, written over as things change. */
import type {Sink} from '../../../lib/cli/render/view.ts'

interface Screen extends Sink {
  ready(): unknown
}

export class LiveLines {
  readonly #screen: Screen
  #shown = 0

  constructor(screen: Screen) {
    this.#screen = screen
  }

  /** Writes lines that stay, and below them those that will be written over. Each must fit the terminal. */
  update(lasting: readonly string[], live: readonly string[]): void {
    const lines = [...lasting, ...live].map((line) => `${line}\n`).join('')
    if (lines === '' && this.#shown === 0) return
    // Up to where the live lines begin, and all below that is cleared.
    const up = this.#shown === 0 ? '' : `\x1b[${this.#shown}A\r\x1b[J`
    this.#shown = live.length
    this.#screen.write(up + lines)
    this.#screen.ready()
  }
}
