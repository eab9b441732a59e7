import type { Server } from 'socket.io'
import { type Logger, silentLogger } from '../../logger.ts'
import type { Model, Models } from '../../models/model.ts'
import { StepPerformer } from '../../publish/socketio/step-performer.ts'
import type { PubSubContext, PubSubModel } from './context.ts'
import { addMissing, type LegacySockets, legacyMethods } from './legacy.ts'
import type { LegacyPubSubMethods, PubSubMethods } from './methods.ts'
import { publishMethods } from './publish.ts'
import { roomMethods } from './rooms.ts'
import { type Sockets, sailsSockets } from './sockets.ts'

export interface AttachPubSubOptions {
  readonly io: Server
  readonly models: Models
  /** @default sailsSockets(io) */
  readonly sockets?: Sockets
  readonly logger?: Logger
  /**
   * Models whose changes a feed on this server publishes. For these the app's own `publishCreate` and so on send nothing, so
   * that subscribers do not receive messages twice. @default none
   */
  readonly isPublishedByFeed?: (identity: string) => boolean
}

/** A Waterline collection after {@link attachPubSub}. */
export type WithPubSub<Collection extends object = object> = Collection & PubSubMethods & LegacyPubSubMethods

/**
 * Adds the resourceful pub-sub of Sails to live Waterline models, with the method names of v1 and v0.12. Methods that an app
 * defined are kept, and the other models call them.
 *
 * @example
 * attachPubSub(ontology.collections, { io, models: readModels(ontology.collections) })
 * User.publishCreate(newUser)
 */
export function attachPubSub(collections: Readonly<Record<string, object>>, options: AttachPubSubOptions): void {
  const { io, models, logger = silentLogger } = options
  const live = new Map(Object.values(collections).map(collection => [identityOf(collection), collection]))
  const shared = {
    io,
    models,
    logger,
    sockets: options.sockets ?? sailsSockets(io, logger),
    performer: new StepPerformer(io, { models, fanOut: 'cluster' }),
    peer: (identity: string) => live.get(identity) as PubSubModel | undefined,
    isPublishedByFeed: options.isPublishedByFeed ?? (() => false),
  }
  for (const model of models.values()) {
    const collection = live.get(model.identity)
    if (!collection) continue
    const context: PubSubContext = { ...shared, model, self: () => collection as unknown as PubSubModel }
    addMissing(collection, { ...roomMethods(context), ...publishMethods(context) })
    addLegacyPubSub(collection as WithPubSub, model, shared.sockets)
  }
}

/**
 * Adds the method names of Sails v0.12 to a live model with the methods of v1: `User.publishCreate(newUser)`, `message`,
 * `watch` and so on. Existing methods are kept.
 */
export function addLegacyPubSub(live: object & PubSubMethods, model: Model, sockets: LegacySockets): void {
  addMissing(live, legacyMethods(live, model, sockets))
}

const identityOf = (collection: object) => (collection as { identity?: string }).identity ?? ''
