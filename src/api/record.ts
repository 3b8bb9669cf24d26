/** Messages as lines of JSON and back, every byte of them: what `sub --json` writes and `pub --records` reads. */
export {parseRecord, type Recorded, type RecordOptions, recordWriter} from '../lib/core/record.ts'
