/**
 * A text as it may be shown to people: passwords and tokens in the URLs in it are replaced by `***`. The user name of
 * `user:password@` stays; what stands alone before `@` is a token.
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
