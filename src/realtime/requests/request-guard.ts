import type { Server as HttpServer, IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'socket.io'
import type { Logger } from '../../logger.ts'
import { hostName, isLoopbackAddress, isLoopbackName } from './hosts.ts'
import { Refusal } from './refusal.ts'

export interface RequestGuardOptions {
  /** The server that receives the requests, if known. */
  readonly server: Pick<HttpServer, 'address'> | undefined
  readonly onlyAllowOrigins: readonly string[] | undefined
  readonly allowedHosts: readonly string[]
  readonly logger: Logger
}

/**
 * Rejects requests of pages of other origins. Browsers send a user's cookies with requests of any page, so a request must
 * come from a page of this server, from an allowed page, or not from a page. A server on a loopback address also rejects
 * unknown host names, because a foreign page can make its own name resolve to 127.0.0.1 (DNS rebinding).
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

  /** Throws a `Refusal` for a request that no route may handle. Reads are allowed, because other pages cannot read the response. */
  requireAllowed(req: IncomingMessage): void {
    this.#requireHost(req.headers)
    if (!SAFE_METHODS.has(req.method ?? 'GET')) this.requireOwnPage(req.headers)
  }

  /** Throws a `Refusal` for a request of a page of another origin. */
  requireOwnPage(headers: IncomingHttpHeaders): void {
    if (this.isForeignPage(headers)) throw FOREIGN_PAGE
  }

  /** Whether a page of another origin made the request, according to the browser's headers. */
  isForeignPage({ origin, host, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
    if (origin === undefined) return site !== undefined && site !== 'same-origin' && site !== 'none'
    return !this.#options.onlyAllowOrigins?.includes(origin) && hostOf(origin) !== host
  }

  /**
   * Checks every request of a socket.io server, not only handshakes. JSONP is always rejected, because script elements of any
   * page can read it and send cookies but no Origin.
   */
  watch(io: Server, { ownPagesOnly }: { readonly ownPagesOnly: boolean }): void {
    io.engine.use((req: EngineRequest, res: ServerResponse, next: (error?: unknown) => void) => {
      try {
        if (req._query?.j !== undefined) throw JSONP
        this.#requireHost(req.headers)
        if (ownPagesOnly) this.requireOwnPage(req.headers)
        next()
      } catch (error) {
        this.#options.logger.debug('Rejected a socket connection', { origin: req.headers.origin, error })
        // An upgrade has no response yet: engine.io responds with 400.
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

const JSONP = new Refusal(403, 'E_FORBIDDEN', 'JSONP is not supported. Connect by WebSocket or XHR polling.')
const FOREIGN_PAGE = new Refusal(
  403,
  'E_FORBIDDEN',
  'Pages of other origins may not make this request. To allow an origin, add it to `onlyAllowOrigins`.',
)
const UNKNOWN_HOST = new Refusal(
  421,
  'E_FORBIDDEN',
  'Rejected an unknown Host header, because this server listens on a loopback address. If it is the public name behind a reverse proxy, add it to `allowedHosts` or its origin to `onlyAllowOrigins`.',
)
