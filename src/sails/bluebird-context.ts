import { AsyncResource } from 'node:async_hooks'
import { createRequire } from 'node:module'

interface Bluebird {
  readonly prototype: { _then: Then }
  resolve(value: unknown): unknown
}

type Then = (this: unknown, fulfilled: unknown, rejected: unknown, ...rest: unknown[]) => unknown
type Handler = (this: unknown, ...args: unknown[]) => unknown

const bound = new WeakSet<Bluebird>()

/**
 * Makes what is chained to a Bluebird promise go on in the name of the request that chained it. Waterline, helpers and
 * actions2 give such promises, and Bluebird calls back all that were settled in one turn of the event loop in the context
 * of whichever was first: the write of one request would go out as another's.
 *
 * Every chaining method of Bluebird 2 and 3 comes down to `_then`, where tracers hook in as well. Newer versions can do
 * the same by themselves (`asyncHooks`), but Waterline's cannot. May be called again for copies that were loaded since.
 */
export function bindBluebird(): void {
  for (const Bluebird of loadedBluebirds()) {
    if (bound.has(Bluebird)) continue
    bound.add(Bluebird)
    const then = Bluebird.prototype._then
    Bluebird.prototype._then = function (fulfilled, rejected, ...rest) {
      return then.call(this, bind(Bluebird, fulfilled), bind(Bluebird, rejected), ...rest)
    }
  }
}

/** A query that is returned from a handler begins when Bluebird turns it into a promise, which is still the handler's work. */
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
