import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/**
 * Tells the demo's own page from every other page in the same browser. A page elsewhere may send requests to this port
 * too: with its own Origin, or, after its name was made to point to 127.0.0.1, with its own Host.
 */
export class RequestGuard {
  readonly #hosts: readonly string[]
  /** In the page, and so known to whoever could read it: nobody elsewhere. Another one each time. */
  readonly token = randomBytes(24).toString('base64url')

  constructor(port: number) {
    this.#hosts = [`127.0.0.1:${port}`, `localhost:${port}`]
  }

  /** Where the page's script may connect to. */
  get socketOrigins(): string[] {
    return this.#hosts.map(host => `ws://${host}`)
  }

  /** Whether the request was meant for us. */
  isOurHost({ host }: IncomingHttpHeaders): boolean {
    return host !== undefined && this.#hosts.includes(host)
  }

  /** Whether the demo's page, or a program that is no browser, asks for a socket. */
  mayConnect(headers: IncomingHttpHeaders): boolean {
    return this.isOurHost(headers) && (headers.origin === undefined ? !isOfAnotherSite(headers) : isSameOrigin(headers))
  }

  /** Why this request may not write; undefined where it may. */
  refusalOfWrite(headers: IncomingHttpHeaders): string | undefined {
    if (!this.isOurHost(headers)) return 'Writes are accepted for this host only.'
    if (!isSameOrigin(headers)) return 'Writes are accepted from the page of the demo only.'
    if (!/^application\/json(;|$)/i.test(headers['content-type'] ?? '')) return 'Send application/json.'
    if (!this.#isToken(headers['x-demo-token'])) return 'The demo was restarted: load the page again.'
    return undefined
  }

  #isToken(given: string | string[] | undefined): boolean {
    const [mine, theirs] = [Buffer.from(this.token), Buffer.from(String(given))]
    return mine.length === theirs.length && timingSafeEqual(mine, theirs)
  }
}

/** Browsers send no Origin with every request, but newer ones say where it comes from. */
const isOfAnotherSite = ({ 'sec-fetch-site': site = 'none' }: IncomingHttpHeaders) =>
  site !== 'none' && site !== 'same-origin'

const isSameOrigin = ({ origin, host }: IncomingHttpHeaders) => origin === `http://${host}`
