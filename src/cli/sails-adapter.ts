import type { AdapterFactory } from './settings.ts'

/** The adapter options in `sails.config.sockets`. */
export interface SocketsConfig {
  readonly adapter?: unknown
  readonly adapterModule?: unknown
  readonly adapterOptions?: object
}

/** The adapter that the sockets hook of Sails would create. The hook itself is not loaded. */
export function adapterOf(sockets: SocketsConfig | undefined, require: NodeJS.Require): AdapterFactory | undefined {
  if (!sockets?.adapter || sockets.adapter === 'memory') return undefined
  const create = typeof sockets.adapterModule === 'function' ? sockets.adapterModule : require(String(sockets.adapter))
  const besides = Object.entries(sockets).filter(([name, value]) => ADAPTER_OPTIONS.has(name) && value !== undefined)
  const options: AdapterOptions = { ...sockets.adapterOptions, ...Object.fromEntries(besides) }
  return create(options.pass === undefined ? options : { ...options, password: options.pass }) as AdapterFactory
}

/** May be set in `sockets` or in its `adapterOptions`. */
const ADAPTER_OPTIONS = new Set(['host', 'port', 'pass', 'db', 'pubClient', 'subClient', 'key', 'url'])

interface AdapterOptions {
  /** `password` in node-redis. */
  readonly pass?: string
}
