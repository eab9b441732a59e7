import type { PubSubMethods } from '../../realtime/pubsub/methods.ts'
import type { Safeguard } from '../attribution/safeguard.ts'
import type { ActionRequest, SailsModel } from '../hook/sails-app.ts'

export interface MuteOptions {
  /** Whether it is the feed that calls, or no feed runs for this model. */
  readonly delivering: () => boolean
  readonly model: (identity: string) => SailsModel | undefined
  readonly safely: Safeguard
}

/** Blueprints take everyone out of a destroyed record's room; here its last message is still to come, and does that. */
const NOTHING_BUT_THE_FEEDS = [
  '_publishCreate',
  '_publishUpdate',
  '_publishDestroy',
  '_publishRemove',
  '_retire',
] as const

/**
 * Makes the publish functions of a model do nothing unless the feed calls them: of what an action would tell, the feed
 * tells all. Who is subscribed to what stays as it would be.
 */
export function mutePublishers(model: SailsModel, { delivering, model: modelOf, safely }: MuteOptions): void {
  for (const name of NOTHING_BUT_THE_FEEDS) {
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

/** The one who destroyed it is to hear of it with `mirror`. */
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
