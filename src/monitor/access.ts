import { createHash, timingSafeEqual } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'

const COOKIE = 'changefeed_token'
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i

/**
 * With a token: it is asked for, as `Authorization: Bearer` or in the cookie that the page's own form sets. Without one,
 * only requests that were sent to this machine by name pass: another site's name could point here as well.
 */
export function admission(token: string | undefined): MiddlewareHandler {
  return async (context, next) => {
    if (token === undefined) {
      if (LOOPBACK.test(context.req.header('host') ?? '')) return await next()
      return context.text(
        'This page is for the machine that it runs on. Set CHANGEFEED_TOKEN to open it to others.',
        421,
      )
    }
    if (isToken(token, bearer(context)) || isToken(token, getCookie(context, COOKIE))) return await next()
    const wantsPage = context.req.header('accept')?.includes('text/html') === true
    return wantsPage ? context.redirect('/sign-in') : context.text('A token is needed: Authorization: Bearer ...', 401)
  }
}

/** The form's answer. False for a wrong token. */
export function signIn(context: Context, token: string | undefined, given: unknown): boolean {
  if (token === undefined || !isToken(token, typeof given === 'string' ? given : undefined)) return false
  setCookie(context, COOKIE, token, { httpOnly: true, sameSite: 'Strict', path: '/' })
  return true
}

const bearer = (context: Context) => /^Bearer (.+)$/i.exec(context.req.header('authorization') ?? '')?.[1]

/** Takes as long for a nearly right one as for any other. */
function isToken(token: string, given: string | undefined): boolean {
  if (given === undefined) return false
  const [a, b] = [token, given].map(text => createHash('sha256').update(text).digest())
  return a !== undefined && b !== undefined && timingSafeEqual(a, b)
}
