import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { BoundedMap } from '../../bounded-map.ts'
import { formatOrigin } from '../../publish/origin.ts'
import type { BlueprintAnswer } from '../deduplication/members-shown.ts'
import type { MessageKey } from '../deduplication/message-key.ts'
import { Publications } from '../deduplication/publication-log.ts'
import type { ActionRequest, SailsApp } from '../hook/sails-app.ts'
import { bindBluebird } from './bluebird-context.ts'
import { createSafeguard, type Safeguard } from './safeguard.ts'

/** How long a request is remembered after its last write, so that changes can be attributed to it, in milliseconds. */
const REMEMBERED_MS = 5 * 60_000
/**
 * Writes made up to 5 minutes after the response are still attributed to the request. Without a limit, a connection that
 * was opened during a request (to a cache, for example) would attribute all its later callbacks to that request.
 */
const AFTERWORK_MS = 5 * 60_000
/** Maximum number of remembered requests. */
const REMEMBERED = 10_000

/** A request that an action of this process handles or has handled. */
export interface KnownRequest {
  readonly origin: string
  readonly action: { readonly name: string; readonly blueprint: boolean }
  /** Id of the requesting socket. Absent for HTTP. */
  readonly socketId?: string
  readonly publications: Publications
  /** Time of its last write, in milliseconds since the epoch. */
  seenAt: number
  answeredAt?: number
}

/**
 * The requests to the actions of a Sails app. Async code that an action starts finds its request by `current`, a change by
 * the origin that it carries.
 */
export class ActionRequests {
  readonly node = randomBytes(6).toString('hex')
  readonly safely: Safeguard
  readonly #sails: SailsApp
  /** Called with the keys of the messages that an action publishes by itself, if the action has written something. */
  onPublished: (origin: string, keys: readonly MessageKey[]) => void = () => {}
  /** Called before an action runs, which waits for the promise, if there is one. It must not reject. */
  beforeAction: (request: KnownRequest) => Promise<void> | undefined = () => undefined
  onAnswered: (request: KnownRequest, answer: () => BlueprintAnswer) => void = () => {}
  readonly #current = new AsyncLocalStorage<KnownRequest>()
  /** By origin. Only requests that wrote something. */
  readonly #known = new BoundedMap<string, KnownRequest>({ count: REMEMBERED, ageMs: REMEMBERED_MS })
  #count = 0

  constructor(sails: SailsApp) {
    this.#sails = sails
    this.safely = createSafeguard(sails.log)
    const bind = () => this.safely('binding Bluebird to requests', bindBluebird, undefined)
    for (const loaded of ['hook:orm:loaded', 'ready']) sails.after(loaded, bind)
  }

  get current(): KnownRequest | undefined {
    const request = this.#current.getStore()
    return request && Date.now() - (request.answeredAt ?? Infinity) < AFTERWORK_MS ? request : undefined
  }

  /** The origin for a statement that is sent now. Remembers its request. */
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

  /** The request with this origin. Undefined for requests of other processes and for those no longer remembered. */
  find(origin: string | undefined): KnownRequest | undefined {
    return origin === undefined ? undefined : this.#known.get(origin)
  }

  /** Runs the rest of the request, and the async work that it starts, in the context of this request. */
  enter(req: ActionRequest, res: ServerResponse, next: () => void): void {
    const request = this.safely('tracking a request', () => this.#open(req, res), undefined)
    if (request) this.#run(request, next)
    else next()
  }

  #run(request: KnownRequest, next: () => void) {
    const proceed = () => this.#current.run(request, next)
    const ready = this.safely('preparing a request', () => this.beforeAction(request), undefined)
    if (ready) void ready.then(proceed)
    else proceed()
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
    const request: KnownRequest = {
      origin,
      action: { name: req.options?.action ?? '', blueprint },
      ...socketIdOf(req),
      publications,
      seenAt: Date.now(),
    }
    const answered = () => {
      if (request.answeredAt === undefined) {
        request.answeredAt = Date.now()
        this.safely('completing a request', () => this.onAnswered(request, () => answerOf(req, res)), undefined)
      }
      publications.complete()
    }
    res.once('finish', answered)
    res.once('close', answered)
    return request
  }

  #remember(request: KnownRequest) {
    request.seenAt = Date.now()
    this.#known.set(request.origin, request)
  }
}

function isBlueprint(sails: SailsApp, { options }: ActionRequest): boolean {
  const action = sails.getActions()[options?.action ?? '']
  return action?._middlewareType?.startsWith('BLUEPRINT') ?? false
}

/** Blueprints set `blueprintAction`. The response of a virtual request keeps its body. */
function answerOf({ options, params }: ActionRequest, res: ServerResponse): BlueprintAnswer {
  const { blueprintAction: blueprint, model = '', alias } = options ?? {}
  const parentId = params?.parentid
  return {
    blueprint,
    model,
    ...(parentId !== undefined && { parentId }),
    ...(alias !== undefined && { alias }),
    body: (res as { body?: unknown }).body,
  }
}

function socketIdOf({ isSocket, socket }: ActionRequest): { socketId?: string } {
  return isSocket ? { socketId: String((socket as { id?: unknown }).id) } : {}
}
