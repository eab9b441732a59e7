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
 * Access to the page and the metrics. With a token: requests with `Authorization: Bearer`, or with a session of the sign-in
 * form. Without a token: requests with a loopback host name, because a foreign name can resolve to this machine as well.
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
   * Access to operations: only with the token in a header. Browsers add cookies to requests of other sites' pages, but not
   * this header.
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

  /** The response to the sign-in form. */
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
   * Checks a token. Returns the seconds to wait after too many attempts, without checking the token, so that guessing cannot
   * continue.
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

const FOR_THIS_MACHINE =
  'This page is only available on this machine, by a loopback host name. Set CHANGEFEED_TOKEN to allow other hosts.'

const NO_TOKEN =
  'Operations over HTTP are disabled, because this listener has no token. Set CHANGEFEED_TOKEN (or `token` in the config file).'
const TOKEN_NEEDED = 'A token is required: Authorization: Bearer ...'
const WRONG_TOKEN = 'Wrong token.'

const bearerOf = (context: Context) => /^Bearer (.+)$/i.exec(context.req.header('authorization') ?? '')?.[1]

const tooMany = (context: Context, seconds: number) => context.text(tooManyText(seconds), 429, retryAfter(seconds))
const tooManyText = (seconds: number) => `Too many wrong tokens. Try again in ${seconds} seconds.`
const retryAfter = (seconds: number) => ({ 'retry-after': `${seconds}` })

/** The listener itself uses HTTP. A proxy sets `x-forwarded-proto` if the browser uses HTTPS. */
const cookieFor = (context: Context) =>
  ({
    httpOnly: true,
    sameSite: 'Strict',
    path: '/',
    secure: /^https\b/i.test(context.req.header('x-forwarded-proto') ?? ''),
  }) as const

/** Compares in constant time. */
function isSame(token: string, given: string): boolean {
  const [a, b] = [token, given].map(text => createHash('sha256').update(text).digest())
  return a !== undefined && b !== undefined && timingSafeEqual(a, b)
}
