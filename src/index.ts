export type { InstallFlags } from './capture/capture-options.ts'
export type { CaptureFault } from './capture/model-capture.ts'
export type { LoggedChange, Operation } from './change-log/change.ts'
export { type Cursor, compareCursors, formatCursor, parseCursor } from './change-log/cursor.ts'
export { Changefeed, createChangefeed, type FeedState, type FeedStatus, type TypedChangefeed } from './changefeed.ts'
export { defineConfig } from './cli/define-config.ts'
export type { ConfigFileSettings } from './cli/settings.ts'
export { ChangefeedError, type ErrorCode } from './errors.ts'
export type { UncapturedModel } from './feed/capture-watch.ts'
export type {
  ChangeEvent,
  ChangefeedEvents,
  ChangeHandler,
  GapEvent,
  PublishedEvent,
  SkippedEvent,
} from './feed/events.ts'
export type { ChangeOf } from './feed/typed-changes.ts'
export { type InstallationPlan, isComplete } from './installation.ts'
export type { ModelFailures, PublisherOutage } from './leader/node-health.ts'
export type { Role } from './leader/nodes.ts'
export type { Logger } from './logger.ts'
export type { ModelRecord, RecordId } from './ontology/model.ts'
export type { ModelOptions, RoomChange } from './ontology/selection.ts'
export type { ChangefeedOptions, TypedChangefeedOptions } from './options.ts'
export type { Publisher } from './publish/publisher.ts'
export type { MessageMeta, RecordEvent } from './publish/record-event.ts'
export type { Subscriber, SubscriptionIds } from './publish/subscriptions.ts'
export type { Action, ModelAccess, WriteAction } from './realtime/access.ts'
export type { BeforeConnect } from './realtime/admission.ts'
export type { Limits } from './realtime/limits.ts'
export type { WithPubSub } from './realtime/pubsub.ts'
export type { PubSubMethods } from './realtime/pubsub-methods.ts'
export { createRealtime, type Realtime } from './realtime/realtime.ts'
export type { RealtimeOptions } from './realtime/realtime-options.ts'
export type { NodeHandler, RealtimeHandler, RealtimeRequest, RealtimeResponse } from './realtime/request.ts'
export type { Sockets } from './realtime/sockets.ts'
export type { SailsChangefeed } from './sails/changefeed-hook.ts'
