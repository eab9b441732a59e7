import { createHash, timingSafeEqual } from 'node:crypto'
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Context, MiddlewareHandler } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { hostName, isLoopbackName } from '../realtime/hosts.ts'
import { Attempts } from './attempts.ts'
import { Sessions } from './sessions.ts'

const COOKIE = 'changefeed_session'
const SESSION_SECONDS = 12 * 60 * 60

/**
 * Who may see figures and page. With a token: who sends it as `Authorization: Bearer`, or has signed in with it by the page's
 * form. Without one: requests that were sent to this machine by name, as another site's name could point here too.
 */
export class Access {
  readonly #token: string | undefined
  readonly #sessions = new Sessions({ count: 1000, lifetimeMs: SESSION_SECONDS * 1000 })
  readonly #attempts = new Attempts({ windowMs: 60_000, perAddress: 10, total: 100 })

  constructor(token: string | undefined) {
    this.#token = token
  }

  readonly admit: MiddlewareHandler = async (context, next) => {
    if (this.#token === undefined) {
      if (isLoopbackName(hostName(context.req.header('host') ?? ''))) return await next()
      return context.text(FOR_THIS_MACHINE, 421)
    }
    if (this.isSignedIn(context)) return await next()
    const given = /^Bearer (.+)$/i.exec(context.req.header('authorization') ?? '')?.[1]
    if (given !== undefined) {
      const verdict = this.#check(context, given)
      if (verdict === 'right') return await next()
      if (verdict !== 'wrong') return verdict
    }
    const wantsPage = context.req.header('accept')?.includes('text/html') === true
    return wantsPage ? context.redirect('/sign-in') : context.text('A token is needed: Authorization: Bearer ...', 401)
  }

  isSignedIn(context: Context): boolean {
    const id = getCookie(context, COOKIE)
    return id !== undefined && this.#sessions.has(id)
  }

  /** The answer to the form. */
  signIn(context: Context, given: unknown): Response {
    const verdict = this.#check(context, typeof given === 'string' ? given : '')
    if (verdict === 'wrong') return context.redirect('/sign-in#wrong', 303)
    if (verdict !== 'right') return verdict
    setCookie(context, COOKIE, this.#sessions.open(), { ...cookieFor(context), maxAge: SESSION_SECONDS })
    return context.redirect('/', 303)
  }

  signOut(context: Context): Response {
    const id = deleteCookie(context, COOKIE, cookieFor(context))
    if (id !== undefined) this.#sessions.close(id)
    return context.redirect('/sign-in', 303)
  }

  /** Too many attempts are answered before the token is looked at: a right one would else be found in spite of them. */
  #check(context: Context, given: string): 'right' | 'wrong' | Response {
    const address = getConnInfo(context).remote.address ?? ''
    const seconds = Math.ceil(this.#attempts.waitMs(address) / 1000)
    if (seconds > 0) {
      return context.text(`Too many wrong tokens. Try again in ${seconds} seconds.`, 429, {
        'retry-after': `${seconds}`,
      })
    }
    const isRight = this.#token !== undefined && isSame(this.#token, given)
    if (isRight) this.#attempts.succeeded(address)
    else this.#attempts.failed(address)
    return isRight ? 'right' : 'wrong'
  }
}

const FOR_THIS_MACHINE = 'This page is for the machine that it runs on. Set CHANGEFEED_TOKEN to open it to others.'

/** The listener itself speaks HTTP; a proxy in front of it says whether the browser speaks HTTPS. */
const cookieFor = (context: Context) =>
  ({
    httpOnly: true,
    sameSite: 'Strict',
    path: '/',
    secure: /^https\b/i.test(context.req.header('x-forwarded-proto') ?? ''),
  }) as const

/** Takes as long for a nearly right one as for any other. */
function isSame(token: string, given: string): boolean {
  const [a, b] = [token, given].map(text => createHash('sha256').update(text).digest())
  return a !== undefined && b !== undefined && timingSafeEqual(a, b)
}
