/** Messages as lines of JSON and back without losing a byte: what `sub --json` writes and `pub --records` reads. */
export {parseRecord, type Recorded, type RecordOptions, recordWriter} from '../lib/core/record.ts'
