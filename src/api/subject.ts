/** Subjects and patterns by the rules of NATS: checked, compared, and many of them matched at once. */
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
