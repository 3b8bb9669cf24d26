/** Subjects and patterns by the rules of NATS: validation, comparison, and matching against many patterns at once. */
export {
  checkPattern,
  checkPatterns,
  checkSubject,
  covers,
  hasWildcard,
  matches,
  overlaps,
  SubjectTrie,
} from '../lib/core/subject.ts'
