import type { AdapterFactory } from './settings.ts'

/** `sails.config.sockets`, as far as it names an adapter. */
export interface SocketsConfig {
  readonly adapter?: unknown
  readonly adapterModule?: unknown
  readonly adapterOptions?: object
}

/** The adapter that the sockets hook of Sails would make of the config: the hook itself is not loaded here. */
export function adapterOf(sockets: SocketsConfig | undefined, require: NodeJS.Require): AdapterFactory | undefined {
  if (!sockets?.adapter || sockets.adapter === 'memory') return undefined
  const create = typeof sockets.adapterModule === 'function' ? sockets.adapterModule : require(String(sockets.adapter))
  const besides = Object.entries(sockets).filter(([name, value]) => ADAPTER_OPTIONS.has(name) && value !== undefined)
  const options: AdapterOptions = { ...sockets.adapterOptions, ...Object.fromEntries(besides) }
  return create(options.pass === undefined ? options : { ...options, password: options.pass }) as AdapterFactory
}

/** May stand in `sockets` itself as well as in its `adapterOptions`. */
const ADAPTER_OPTIONS = new Set(['host', 'port', 'pass', 'db', 'pubClient', 'subClient', 'key', 'url'])

interface AdapterOptions {
  /** What node-redis calls `password`. */
  readonly pass?: string
}
