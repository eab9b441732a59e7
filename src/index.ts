export type { InstallFlags } from './capture/capture-options.ts'
export type { CaptureFault } from './capture/model-capture.ts'
export type { LoggedChange, Operation } from './change-log/change.ts'
export { type Cursor, compareCursors, formatCursor, parseCursor } from './change-log/cursor.ts'
export { Changefeed, createChangefeed, type FeedState, type FeedStatus, type TypedChangefeed } from './changefeed.ts'
export { defineConfig } from './cli/define-config.ts'
export type { ConfigFileSettings } from './cli/settings.ts'
export { ChangefeedError, type ErrorCode } from './errors.ts'
export type { UncapturedModel } from './feed/capture-watch.ts'
export type { ChangeOf } from './feed/typed-changes.ts'
export { type InstallationPlan, isComplete } from './installation.ts'
export type { ModelFailures, PublisherOutage } from './leader/node-health.ts'
export type { Role } from './leader/nodes.ts'
export type { Logger } from './logger.ts'
export type { ModelRecord, RecordId } from './models/model.ts'
export type { ModelOptions, RoomChange } from './models/selection.ts'
export type { ChangefeedOptions, TypedChangefeedOptions } from './options.ts'
export type {
  ChangeEvent,
  ChangefeedEvents,
  ChangeHandler,
  GapEvent,
  PublishedEvent,
  SkippedEvent,
} from './pipeline/events.ts'
export type { MessageMeta, RecordEvent } from './publish/mapping/record-event.ts'
export type { Publisher } from './publish/publisher.ts'
export type { Subscriber, SubscriptionIds } from './publish/socketio/subscriptions.ts'
export type { Action, ModelAccess, WriteAction } from './realtime/blueprints/access.ts'
export type { PubSubMethods } from './realtime/pubsub/methods.ts'
export type { WithPubSub } from './realtime/pubsub/pubsub.ts'
export type { Sockets } from './realtime/pubsub/sockets.ts'
export { createRealtime, type Realtime } from './realtime/realtime.ts'
export type { RealtimeOptions } from './realtime/realtime-options.ts'
export type { BeforeConnect } from './realtime/requests/admission.ts'
export type { Limits } from './realtime/requests/limits.ts'
export type { NodeHandler, RealtimeHandler, RealtimeRequest, RealtimeResponse } from './realtime/requests/request.ts'
export type { SailsChangefeed } from './sails/hook/changefeed-hook.ts'
