import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { formatOrigin } from '../../publish/origin.ts'
import type { MessageKey } from '../deduplication/message-key.ts'
import { Publications } from '../deduplication/publication-log.ts'
import type { ActionRequest, SailsApp } from '../hook/sails-app.ts'
import { bindBluebird } from './bluebird-context.ts'
import { createSafeguard, type Safeguard } from './safeguard.ts'

/** How long the changes of a request can still be told from others after it was answered, in milliseconds. */
const REMEMBERED_MS = 5 * 60_000
/**
 * How long after its answer a request may still be working, in milliseconds. A connection that was opened for it, such as
 * that of a cache, may go on calling back in its name for the life of the process, whomever it works for by then.
 */
const AFTERWORK_MS = 5 * 60_000
/** Requests that are remembered at once. */
const REMEMBERED = 10_000

/** A request that an action of this process is or was working on. */
export interface KnownRequest {
  readonly origin: string
  readonly publications: Publications
  /** When it was last seen to be alive, in milliseconds since the epoch. */
  seenAt: number
  answeredAt?: number
}

/**
 * The requests to the actions of a Sails app. Whatever an action starts, however asynchronous, finds its request here;
 * and so does a change that carries its origin.
 */
export class ActionRequests {
  readonly node = randomBytes(6).toString('hex')
  /** For whatever runs inside a request of the app. */
  readonly safely: Safeguard
  readonly #sails: SailsApp
  /** Told of what an action that has written something publishes by itself. */
  onPublished: (origin: string, keys: readonly MessageKey[]) => void = () => {}
  readonly #current = new AsyncLocalStorage<KnownRequest>()
  /** By what the origin calls them, oldest first. Only those that wrote something. */
  readonly #known = new Map<string, KnownRequest>()
  #count = 0

  constructor(sails: SailsApp) {
    this.#sails = sails
    this.safely = createSafeguard(sails.log)
    const bind = () => this.safely('following requests through Bluebird', bindBluebird, undefined)
    for (const loaded of ['hook:orm:loaded', 'ready']) sails.after(loaded, bind)
  }

  get current(): KnownRequest | undefined {
    const request = this.#current.getStore()
    return request && Date.now() - (request.answeredAt ?? Infinity) < AFTERWORK_MS ? request : undefined
  }

  /** The origin of a statement that is sent now; its request will be known. */
  readonly originNow = (): string | undefined =>
    this.safely(
      'tagging statements',
      () => {
        const request = this.current
        if (request) this.#remember(request)
        return request?.origin
      },
      undefined,
    )

  /** The request of this process that a change came from; undefined for one of another process, and once it is forgotten. */
  find(origin: string | undefined): KnownRequest | undefined {
    return origin === undefined ? undefined : this.#known.get(origin)
  }

  /** Goes on with the request, and with all that comes of it, in its name. */
  enter(req: ActionRequest, res: ServerResponse, next: () => void): void {
    const request = this.safely('following a request', () => this.#open(req, res), undefined)
    if (request) this.#current.run(request, next)
    else next()
  }

  #open(req: ActionRequest, res: ServerResponse): KnownRequest {
    const blueprint = isBlueprint(this.#sails, req)
    const origin = formatOrigin({
      node: this.node,
      request: (this.#count++).toString(36),
      blueprint,
      mirror: Boolean(req.options?.mirror ?? this.#sails.config.blueprints?.mirror),
      ...socketIdOf(req),
    })
    const publications = new Publications({
      expected: blueprint,
      onPublished: keys =>
        this.safely('announcing messages', () => this.#known.has(origin) && this.onPublished(origin, keys), undefined),
    })
    const request: KnownRequest = { origin, publications, seenAt: Date.now() }
    const answered = () => {
      request.answeredAt ??= Date.now()
      publications.complete()
    }
    res.once('finish', answered)
    res.once('close', answered)
    return request
  }

  #remember(request: KnownRequest) {
    request.seenAt = Date.now()
    this.#known.delete(request.origin)
    this.#known.set(request.origin, request)
    for (const [origin, { seenAt }] of this.#known) {
      if (this.#known.size <= REMEMBERED && request.seenAt - seenAt < REMEMBERED_MS) break
      this.#known.delete(origin)
    }
  }
}

function isBlueprint(sails: SailsApp, { options }: ActionRequest): boolean {
  const action = sails.getActions()[options?.action ?? '']
  return action?._middlewareType?.startsWith('BLUEPRINT') ?? false
}

function socketIdOf({ isSocket, socket }: ActionRequest): { socketId?: string } {
  return isSocket ? { socketId: String((socket as { id?: unknown }).id) } : {}
}
