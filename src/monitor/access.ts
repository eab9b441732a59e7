import { createHash, timingSafeEqual } from 'node:crypto'
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Context, MiddlewareHandler } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { hostName, isLoopbackName } from '../realtime/requests/hosts.ts'
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
    const given = bearerOf(context)
    if (given !== undefined) {
      const verdict = this.#check(context, given)
      if (verdict === 'right') return await next()
      if (verdict !== 'wrong') return tooMany(context, verdict)
    }
    const wantsPage = context.req.header('accept')?.includes('text/html') === true
    return wantsPage ? context.redirect('/sign-in') : context.text(TOKEN_NEEDED, 401)
  }

  /**
   * Who may change something: only who sends the token in a header. A browser adds cookies by itself, also for the page of
   * another site; a header it does not.
   */
  readonly admitOperation: MiddlewareHandler = async (context, next) => {
    if (!this.allowsOperations) return context.json({ error: { message: NO_TOKEN } }, 403)
    const given = bearerOf(context)
    const verdict = given === undefined ? 'missing' : this.#check(context, given)
    if (verdict === 'right') return await next()
    if (verdict === 'missing') return context.json({ error: { message: TOKEN_NEEDED } }, 401)
    if (verdict === 'wrong') return context.json({ error: { message: WRONG_TOKEN } }, 401)
    return context.json({ error: { message: tooManyText(verdict) } }, 429, retryAfter(verdict))
  }

  get allowsOperations(): boolean {
    return this.#token !== undefined
  }

  isSignedIn(context: Context): boolean {
    const id = getCookie(context, COOKIE)
    return id !== undefined && this.#sessions.has(id)
  }

  /** The answer to the form. */
  signIn(context: Context, given: unknown): Response {
    const verdict = this.#check(context, typeof given === 'string' ? given : '')
    if (verdict === 'wrong') return context.redirect('/sign-in#wrong', 303)
    if (verdict !== 'right') return tooMany(context, verdict)
    setCookie(context, COOKIE, this.#sessions.open(), { ...cookieFor(context), maxAge: SESSION_SECONDS })
    return context.redirect('/', 303)
  }

  signOut(context: Context): Response {
    const id = deleteCookie(context, COOKIE, cookieFor(context))
    if (id !== undefined) this.#sessions.close(id)
    return context.redirect('/sign-in', 303)
  }

  /**
   * Or the seconds to wait after too many attempts, which is answered before the token is looked at: a right one would else
   * be found in spite of them.
   */
  #check(context: Context, given: string): 'right' | 'wrong' | number {
    const address = getConnInfo(context).remote.address ?? ''
    const seconds = Math.ceil(this.#attempts.waitMs(address) / 1000)
    if (seconds > 0) return seconds
    const isRight = this.#token !== undefined && isSame(this.#token, given)
    if (isRight) this.#attempts.succeeded(address)
    else this.#attempts.failed(address)
    return isRight ? 'right' : 'wrong'
  }
}

const FOR_THIS_MACHINE = 'This page is for the machine that it runs on. Set CHANGEFEED_TOKEN to open it to others.'

const NO_TOKEN =
  'This listener has no token, so nothing can be changed from here. Set CHANGEFEED_TOKEN (or `token` in the config file).'
const TOKEN_NEEDED = 'A token is needed: Authorization: Bearer ...'
const WRONG_TOKEN = 'That is not the token of this listener.'

const bearerOf = (context: Context) => /^Bearer (.+)$/i.exec(context.req.header('authorization') ?? '')?.[1]

const tooMany = (context: Context, seconds: number) => context.text(tooManyText(seconds), 429, retryAfter(seconds))
const tooManyText = (seconds: number) => `Too many wrong tokens. Try again in ${seconds} seconds.`
const retryAfter = (seconds: number) => ({ 'retry-after': `${seconds}` })

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
