/**
 * Removes secrets from text for users or logs: credentials in anything that looks like a URL, and the given secrets.
 */
export type Hide = (text: string) => string

const HIDDEN = '[hidden]'

/** Scheme and host are shown; credentials and query are not. */
const CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s"'`<>@/]*(?:\/[^\s"'`<>@]*)?@([^\s"'`<>?]*)(\?[^\s"'`<>]*)?/gi

export function hider(secrets: readonly (string | undefined)[]): Hide {
  const known = [...new Set(secrets.flatMap(formsOf))].sort((a, b) => b.length - a.length)
  return text => {
    const withoutUrls = text.replace(CREDENTIALS, (_match, scheme, place) => `${scheme}${HIDDEN}@${place}`)
    return known.reduce((left, secret) => left.replaceAll(secret, HIDDEN), withoutUrls)
  }
}

/** A secret, or the password of a URL in encoded and decoded form, each also as escaped in JSON. */
function formsOf(secret: string | undefined): string[] {
  if (!secret) return []
  const forms = passwordOf(secret) ?? [secret]
  return forms.filter(form => form.length > 3).flatMap(form => [form, JSON.stringify(form).slice(1, -1)])
}

function passwordOf(secret: string): string[] | undefined {
  const encoded = /^[a-z][a-z0-9+.-]*:\/\/[^@]*?:([^@]*)@/i.exec(secret)?.[1]
  const inQuery = /^[a-z][a-z0-9+.-]*:\/\/.*[?&]password=([^&]*)/i.exec(secret)?.[1]
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(secret)) return undefined
  return [encoded, inQuery].flatMap(text => (text ? [text, decoded(text)] : []))
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
