import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'socket.io'
import type { AddressParts } from '../../db/connect.ts'
import type { PubSubMethods } from '../../realtime/pubsub/methods.ts'

/** What we rely on in a Sails v1 app. */
export interface SailsApp {
  readonly version?: string
  readonly config: SailsConfig
  readonly log: SailsLog
  readonly hooks: Readonly<Record<string, object | undefined>>
  /** Set by the hook `orm`; other ones after it was reloaded. */
  readonly models?: Record<string, SailsModel>
  /** Set by the hook `sockets`. */
  readonly io?: Server
  readonly sockets?: SailsSockets
  getActions(): Record<string, ActionFunction | undefined>
  /** Not in Sails 0.12. */
  registerActionMiddleware?(middleware: ActionFunction, actions: string): void
  after(events: readonly string[] | string, then: () => void): void
  on(event: string, listener: Listener): void
  off(event: string, listener: Listener): void
  emit(event: string): void
}

// biome-ignore lint/suspicious/noExplicitAny: each event has arguments of its own
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

/** A live model, with the functions that the hook `pubsub` gives it. */
export interface SailsModel extends PubSubMethods {
  readonly identity: string
  /** The name of the global that it is, where models are globals. */
  readonly globalId?: string
  readonly datastore: string
  readonly primaryKey: string
  readonly junctionTable?: boolean
  readonly associations?: readonly { readonly alias: string; readonly collection?: string }[]
  /** As the app wrote it in the model's definition. */
  readonly changefeed?: unknown
  readonly _adapter?: {
    readonly identity?: string
    readonly datastores?: Readonly<Record<string, SailsDatastore | undefined>>
  }
}

/** What sails-postgresql keeps of a datastore. */
export interface SailsDatastore {
  readonly manager?: { readonly pool?: SailsPool }
}

/** A pool of node-postgres, with what it was made with. */
export interface SailsPool {
  readonly options?: Partial<Omit<AddressParts, 'port' | 'password'>> & {
    readonly port?: number | string
    readonly password?: unknown
  }
  query?(sql: string): Promise<{ readonly rows: readonly { readonly it: string }[] }>
}

/** `sails.sockets`, as far as messages of models pass through it. */
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
  readonly options?: { readonly action?: string; readonly mirror?: boolean }
}

export interface ActionFunction {
  (req: ActionRequest, res: ServerResponse, next: () => void): unknown
  readonly _middlewareType?: string
}
