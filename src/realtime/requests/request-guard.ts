import type { Server as HttpServer, IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'socket.io'
import type { Logger } from '../../logger.ts'
import { hostName, isLoopbackAddress, isLoopbackName } from './hosts.ts'
import { Refusal } from './refusal.ts'

export interface RequestGuardOptions {
  /** The server that requests come to; undefined where that is not known. */
  readonly server: Pick<HttpServer, 'address'> | undefined
  readonly onlyAllowOrigins: readonly string[] | undefined
  readonly allowedHosts: readonly string[]
  readonly logger: Logger
}

/**
 * Keeps pages of other origins out. A browser sends the cookies of its user whatever page asks, so a request must show that
 * it comes from a page of this server, from an allowed page, or from no page; and a server that only this machine can reach
 * answers no other name, because a page elsewhere can make its own name point to 127.0.0.1 (DNS rebinding).
 */
export class RequestGuard {
  readonly #options: RequestGuardOptions
  readonly #hosts: ReadonlySet<string>
  #warned = false

  constructor(options: RequestGuardOptions) {
    const { onlyAllowOrigins = [], allowedHosts } = options
    const ofOrigins = onlyAllowOrigins.filter(origin => URL.canParse(origin)).map(origin => new URL(origin).hostname)
    this.#options = options
    this.#hosts = new Set([...ofOrigins, ...allowedHosts.map(hostName)])
  }

  /** Throws a `Refusal` for a request that no route may answer: reading is open, as other pages cannot read the answer. */
  requireAllowed(req: IncomingMessage): void {
    this.#requireHost(req.headers)
    if (!SAFE_METHODS.has(req.method ?? 'GET')) this.requireOwnPage(req.headers)
  }

  /** Throws a `Refusal` for a request that a page of another origin made. */
  requireOwnPage(headers: IncomingHttpHeaders): void {
    if (this.isForeignPage(headers)) throw FOREIGN_PAGE
  }

  /** Whether a page of another origin made the request, as far as its browser says. */
  isForeignPage({ origin, host, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
    if (origin === undefined) return site !== undefined && site !== 'same-origin' && site !== 'none'
    return !this.#options.onlyAllowOrigins?.includes(origin) && hostOf(origin) !== host
  }

  /**
   * Asks of every request of a socket.io server, not of handshakes alone. JSONP is refused whoever asks: it is read by a
   * script element, which any page may have, and which sends cookies but no Origin.
   */
  watch(io: Server, { ownPagesOnly }: { readonly ownPagesOnly: boolean }): void {
    io.engine.use((req: EngineRequest, res: ServerResponse, next: (error?: unknown) => void) => {
      try {
        if (req._query?.j !== undefined) throw JSONP
        this.#requireHost(req.headers)
        if (ownPagesOnly) this.requireOwnPage(req.headers)
        next()
      } catch (error) {
        this.#options.logger.debug('A socket was not let in', { origin: req.headers.origin, error })
        // Of an upgrade there is no response yet: engine.io answers with 400.
        if (req.headers.upgrade !== undefined || !(error instanceof Refusal)) return next(error)
        res.writeHead(error.status, { 'content-type': 'application/json' }).end(JSON.stringify(error.body))
      }
    })
  }

  #requireHost({ host = '' }: IncomingHttpHeaders): void {
    const name = hostName(host)
    if (!this.#isLocal() || isLoopbackName(name) || this.#hosts.has(name)) return
    if (!this.#warned) this.#options.logger.warn(UNKNOWN_HOST.message, { host: host.slice(0, 200) })
    this.#warned = true
    throw UNKNOWN_HOST
  }

  #isLocal(): boolean {
    const address = this.#options.server?.address() ?? null
    return address !== null && typeof address === 'object' && isLoopbackAddress(address.address)
  }
}

type EngineRequest = IncomingMessage & { readonly _query?: Readonly<Record<string, unknown>> }

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

const hostOf = (origin: string): string | undefined => (URL.canParse(origin) ? new URL(origin).host : undefined)

const JSONP = new Refusal(403, 'E_FORBIDDEN', 'JSONP is not supported: connect by WebSocket or by plain polling.')
const FOREIGN_PAGE = new Refusal(
  403,
  'E_FORBIDDEN',
  'A page of another origin may not do this. To allow it, name its origin in `onlyAllowOrigins`.',
)
const UNKNOWN_HOST = new Refusal(
  421,
  'E_FORBIDDEN',
  'This server listens on a loopback address and does not answer to this Host. If the Host is the public name that a reverse proxy passes on, name it in `allowedHosts` or its origin in `onlyAllowOrigins`.',
)
