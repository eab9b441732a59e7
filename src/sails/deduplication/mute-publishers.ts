import type { PubSubMethods } from '../../realtime/pubsub/methods.ts'
import type { Safeguard } from '../attribution/safeguard.ts'
import type { ActionRequest, SailsModel } from '../hook/sails-app.ts'

export interface MuteOptions {
  /** Whether the feed is calling, or no feed publishes this model. */
  readonly delivering: () => boolean
  readonly model: (identity: string) => SailsModel | undefined
  readonly safely: Safeguard
}

/** `_retire` is among them: a blueprint would empty the room of a destroyed record before the feed's last message to it. */
const FEED_ONLY = ['_publishCreate', '_publishUpdate', '_publishDestroy', '_publishRemove', '_retire'] as const

/**
 * Makes the publish functions of a model do nothing unless the feed calls them, because the feed publishes all changes.
 * Subscriptions that these functions make are kept.
 */
export function mutePublishers(model: SailsModel, { delivering, model: modelOf, safely }: MuteOptions): void {
  for (const name of FEED_ONLY) {
    const publish = model[name] as (...args: unknown[]) => unknown
    Object.assign(model, { [name]: (...args: unknown[]) => (delivering() ? publish(...args) : undefined) })
  }
  const { _publishAdd: publishAdd, unsubscribe } = model
  model._publishAdd = (...args) => {
    if (delivering()) return publishAdd(...args)
    const [, alias, added, req, options] = args
    if (options?.noReverse || !isSocketRequest(req)) return
    safely('subscribing to a new member', () => subscribeTo(modelOf(childOf(model, alias)), added, req), undefined)
  }
  model.unsubscribe = (...args: Parameters<PubSubMethods['unsubscribe']>) => {
    if (delivering() || !isDestroying(args[0])) unsubscribe(...args)
  }
}

const isSocketRequest = (req: unknown): req is Parameters<PubSubMethods['subscribe']>[0] =>
  (req as ActionRequest | undefined)?.isSocket === true

/** The destroying socket stays subscribed: with `mirror` it receives the feed's `destroyed` message. */
const isDestroying = (req: unknown) =>
  (req as { options?: { blueprintAction?: string } } | undefined)?.options?.blueprintAction === 'destroy'

const childOf = ({ associations }: SailsModel, alias: string) =>
  associations?.find(association => association.alias === alias)?.collection ?? ''

function subscribeTo(
  child: SailsModel | undefined,
  added: Parameters<PubSubMethods['_publishAdd']>[2],
  req: Parameters<PubSubMethods['subscribe']>[0],
) {
  child?.subscribe(req, [typeof added === 'object' ? (added[child.primaryKey] as string) : added])
}
