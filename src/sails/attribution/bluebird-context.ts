import { AsyncResource } from 'node:async_hooks'
import { createRequire } from 'node:module'

interface Bluebird extends Iterating {
  readonly prototype: Iterating & { _then: Then; _proxy?: Wait }
  resolve(value: unknown): unknown
}

type Then = (this: unknown, fulfilled: unknown, rejected: unknown, ...rest: unknown[]) => unknown
type Wait = (this: unknown, waiting: Waiting, ...rest: unknown[]) => unknown
type Handler = (this: unknown, ...args: unknown[]) => unknown

/** These methods call handlers without going through `_then`. */
const ITERATING = ['map', 'filter', 'each', 'reduce'] as const
type Iterating = Record<(typeof ITERATING)[number], Handler>

/** A coroutine or a group of promises, as `_proxy` receives it. */
type Waiting = Record<'_promiseFulfilled' | '_promiseRejected', Handler>

const bound = new WeakSet<Bluebird>()

/**
 * Binds handlers on Bluebird promises to the async context that attached them. Waterline, helpers and actions2 return
 * Bluebird promises, and Bluebird runs the handlers of all promises settled in one event loop turn in the context of the
 * first one. Without this, writes of one request would be attributed to another.
 *
 * All chaining methods of Bluebird 2 and 3 call `_then`, which APM tracers patch as well; coroutines and groups of promises
 * call `_proxy`. Bluebird's own option `asyncHooks` is not available in the version that Waterline uses. Idempotent: call it
 * again to bind copies of Bluebird that were loaded later.
 */
export function bindBluebird(): void {
  for (const Bluebird of loadedBluebirds()) {
    if (bound.has(Bluebird)) continue
    bound.add(Bluebird)
    const { prototype } = Bluebird
    const { _then: then, _proxy: proxy } = prototype
    prototype._then = function (fulfilled, rejected, ...rest) {
      return then.call(this, bind(Bluebird, fulfilled), bind(Bluebird, rejected), ...rest)
    }
    if (proxy) {
      prototype._proxy = function (waiting, ...rest) {
        return proxy.call(this, bindWaiting(waiting), ...rest)
      }
    }
    for (const owner of [Bluebird, prototype]) bindIterating(Bluebird, owner)
  }
}

function bindWaiting(waiting: Waiting): Waiting {
  if (Object.hasOwn(waiting, '_promiseFulfilled')) return waiting
  const { _promiseFulfilled, _promiseRejected } = waiting
  return Object.assign(waiting, {
    _promiseFulfilled: AsyncResource.bind(_promiseFulfilled),
    _promiseRejected: AsyncResource.bind(_promiseRejected),
  })
}

function bindIterating(Bluebird: Bluebird, owner: Iterating) {
  for (const name of ITERATING) {
    const iterate = owner[name]
    owner[name] = function (...args) {
      return iterate.apply(
        this,
        args.map(arg => bind(Bluebird, arg)),
      )
    }
  }
}

/** A Waterline query starts when it is converted to a promise. Converting it here keeps it in the handler's context. */
function bind(Bluebird: Bluebird, handler: unknown): unknown {
  if (typeof handler !== 'function') return handler
  return AsyncResource.bind(function (this: unknown, ...args: unknown[]) {
    const result = (handler as Handler).apply(this, args)
    return isThenable(result) ? Bluebird.resolve(result) : result
  })
}

const isThenable = (value: unknown): boolean =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function'

function loadedBluebirds(): Bluebird[] {
  const { cache } = createRequire(import.meta.url)
  const modules = Object.entries(cache).filter(([file]) => /[\\/]bluebird[\\/]/.test(file))
  return modules.map(([, loaded]) => loaded?.exports as unknown).filter(isBluebird)
}

const isBluebird = (exported: unknown): exported is Bluebird =>
  typeof exported === 'function' && typeof (exported.prototype as Partial<Bluebird['prototype']>)?._then === 'function'
