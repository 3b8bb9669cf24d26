import {BusError, type FailureKind} from './errors.ts'

/** Translates a file error: `notFound`, `denied`, `output` on a full disk, or `usage`. Any other error is returned unchanged. */
export function fileError(error: unknown, verb: string, name: string): unknown {
  const {code, syscall} = error as NodeJS.ErrnoException
  if (error instanceof BusError || code === undefined || syscall === undefined) return error
  const missing = verb === 'read' ? 'there is no such file' : 'there is no such folder'
  const reasons: Record<string, string> = {
    ENOENT: missing,
    ENOTDIR: missing,
    EISDIR: 'it is a folder',
    EEXIST: 'another file has this name',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the disk is read-only',
  }
  const why = isFull(error) ? 'the disk is full' : (reasons[code] ?? (error as Error).message)
  return new BusError(kindOf(code, error), `cannot ${verb} ${name}: ${why}`, {cause: error})
}

/** Whether a write failed because there is no space left. */
export function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as NodeJS.ErrnoException).code ?? '')
}

function kindOf(code: string, error: unknown): FailureKind {
  if (isFull(error)) return 'output'
  return code === 'ENOENT' || code === 'ENOTDIR' ? 'notFound' : code === 'EISDIR' ? 'usage' : 'denied'
}
