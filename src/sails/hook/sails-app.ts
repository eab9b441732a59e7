import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'socket.io'
import type { AddressParts } from '../../db/connect.ts'
import type { PubSubMethods } from '../../realtime/pubsub/methods.ts'

/** The parts of a Sails v1 app that the hook uses. */
export interface SailsApp {
  readonly version?: string
  readonly config: SailsConfig
  readonly log: SailsLog
  readonly hooks: Readonly<Record<string, object | undefined>>
  /** Set by the hook `orm`; replaced when it reloads. */
  readonly models?: Record<string, SailsModel>
  /** Set by the hook `sockets`. */
  readonly io?: Server
  readonly sockets?: SailsSockets
  getActions(): Record<string, ActionFunction | undefined>
  /** Absent in Sails 0.12. */
  registerActionMiddleware?(middleware: ActionFunction, actions: string): void
  after(events: readonly string[] | string, then: () => void): void
  on(event: string, listener: Listener): void
  off(event: string, listener: Listener): void
  emit(event: string): void
}

// biome-ignore lint/suspicious/noExplicitAny: arguments depend on the event
type Listener = (...args: any[]) => void

export interface SailsConfig {
  readonly appPath: string
  readonly environment?: string
  readonly changefeed?: unknown
  readonly models?: { readonly migrate?: string }
  readonly blueprints?: { readonly mirror?: boolean; readonly rest?: boolean; readonly shortcuts?: boolean }
  readonly sockets?: { readonly adapter?: string }
  beforeShutdown?: (done: (error?: unknown) => void) => unknown
}

export interface SailsLog {
  error(...args: unknown[]): void
  warn(...args: unknown[]): void
  info(...args: unknown[]): void
  debug(...args: unknown[]): void
  verbose(...args: unknown[]): void
}

/** A live model, with the functions that the hook `pubsub` adds. */
export interface SailsModel extends PubSubMethods {
  readonly identity: string
  /** Name of the model's global, if models are exposed as globals. */
  readonly globalId?: string
  readonly datastore: string
  readonly primaryKey: string
  readonly junctionTable?: boolean
  readonly associations?: readonly { readonly alias: string; readonly collection?: string }[]
  /** As written in the model's definition. */
  readonly changefeed?: unknown
  readonly _adapter?: {
    readonly identity?: string
    readonly datastores?: Readonly<Record<string, SailsDatastore | undefined>>
  }
}

/** A datastore of sails-postgresql. */
export interface SailsDatastore {
  readonly manager?: { readonly pool?: SailsPool }
}

/** A node-postgres pool with its options. */
export interface SailsPool {
  readonly options?: Partial<Omit<AddressParts, 'port' | 'password'>> & {
    readonly port?: number | string
    readonly password?: unknown
  }
  query?(sql: string): Promise<{ readonly rows: readonly { readonly it: string }[] }>
}

/** The functions of `sails.sockets` that models use. */
export interface SailsSockets {
  broadcast(rooms: Rooms, ...rest: unknown[]): void
  addRoomMembersToRooms(from: string, to: Rooms, done?: Callback): unknown
  removeRoomMembersFromRooms(from: string, of: Rooms, done?: Callback): unknown
  leave(socket: unknown, room: string): unknown
}

export type Rooms = string | string[]
export type Callback = (error?: unknown) => void

export interface ActionRequest extends IncomingMessage {
  readonly isSocket?: boolean
  readonly params?: { readonly parentid?: string }
  readonly options?: {
    readonly action?: string
    readonly mirror?: boolean
    readonly model?: string
    readonly alias?: string
    /** Set by a blueprint that runs: `find`, `findOne`, `populate`, ... */
    readonly blueprintAction?: string
  }
}

export interface ActionFunction {
  (req: ActionRequest, res: ServerResponse, next: () => void): unknown
  readonly _middlewareType?: string
}
