import type {FlagInput, InferredFlags} from '@oclif/core/interfaces'

/** The parsed values of these flags. All are optional, so that a plan can be made of some of them. */
export type FlagValues<F extends FlagInput> = {
  readonly [Name in keyof InferredFlags<F>]?: InferredFlags<F>[Name] | undefined
}
