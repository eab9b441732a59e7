import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/**
 * Distinguishes the demo's own page from other pages in the same browser, which can send requests to this port as well: with
 * a foreign Origin, or, by DNS rebinding to 127.0.0.1, with a foreign Host.
 */
export class RequestGuard {
  readonly #hosts: readonly string[]
  /** Embedded in the page, which other origins cannot read. Generated at each start. */
  readonly token = randomBytes(24).toString('base64url')

  constructor(port: number) {
    this.#hosts = [`127.0.0.1:${port}`, `localhost:${port}`]
  }

  /** Origins that the page's script may connect to. */
  get socketOrigins(): string[] {
    return this.#hosts.map(host => `ws://${host}`)
  }

  /** Whether the Host header names this server. */
  isOurHost({ host }: IncomingHttpHeaders): boolean {
    return host !== undefined && this.#hosts.includes(host)
  }

  /** Whether the connection comes from the demo's page or from a program that is not a browser. */
  mayConnect(headers: IncomingHttpHeaders): boolean {
    return this.isOurHost(headers) && (headers.origin === undefined ? !isOfAnotherSite(headers) : isSameOrigin(headers))
  }

  /** Why this request may not write. Undefined if it may. */
  refusalOfWrite(headers: IncomingHttpHeaders): string | undefined {
    if (!this.isOurHost(headers)) return 'Writes are only accepted for this host.'
    if (!isSameOrigin(headers)) return 'Writes are only accepted from the page of the demo.'
    if (!/^application\/json(;|$)/i.test(headers['content-type'] ?? '')) return 'Send application/json.'
    if (!this.#isToken(headers['x-demo-token'])) return 'The demo was restarted. Reload the page.'
    return undefined
  }

  #isToken(given: string | string[] | undefined): boolean {
    const [mine, theirs] = [Buffer.from(this.token), Buffer.from(String(given))]
    return mine.length === theirs.length && timingSafeEqual(mine, theirs)
  }
}

/** Browsers do not send Origin with every request, but newer ones send Sec-Fetch-Site. */
const isOfAnotherSite = ({ 'sec-fetch-site': site = 'none' }: IncomingHttpHeaders) =>
  site !== 'none' && site !== 'same-origin'

const isSameOrigin = ({ origin, host }: IncomingHttpHeaders) => origin === `http://${host}`
