/**
 * The text with passwords and tokens in URLs replaced by `***`, so that it may be shown. The user name of `user:password@` is
 * kept; a single word before `@` is a token.
 */
export function withoutSecrets(text: string): string {
  if (!text.includes('://')) return text
  return text
    .replace(/(:\/\/|,)([^\s"'/,]*)@/g, (_, before: string, login: string) => {
      const colon = login.indexOf(':')
      return `${before}${colon < 0 ? '' : login.slice(0, colon + 1)}***@`
    })
    .replace(/([?&][\w-]*(?:pass|passwd|password|token|secret|seed|jwt|key)=)[^\s"'&]*/gi, '$1***')
}
