import type {Features} from '../../src/lib/transport/contract.ts'
import type {Scene} from './scene.ts'

/** One statement of the contract, and how to find out whether a driver fulfils it. */
export interface Case {
  /** A sentence about behaviour, unique in the suite. */
  readonly name: string
  /** The case holds only for drivers that declare these values. */
  readonly needs?: Partial<Features>
  run(scene: Scene): Promise<void>
}
