/** Positions in a stream in text form: `first`, `1042`, `-100`, `@-15m`, `500..900`. */
export {formatPosition, type Position, parseEnd, parsePosition, parseRange, type Range} from '../lib/core/position.ts'
