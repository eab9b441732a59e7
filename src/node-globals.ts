/**
 * Loads libraries that Node loads lazily on the first use of a global, and keeps globals that are used later.
 *
 * Sails makes each model a global: one called `Event` replaces Node's. The first use of `Response`, `fetch` or
 * `WebSocket` loads a library that extends the current global `Event`, and fails permanently. Import this module before
 * the models of an app are loaded.
 */
const constructors = new Map(
  Object.getOwnPropertyNames(globalThis)
    .filter(name => /^[A-Z]/.test(name))
    .map(name => [name, read(name)]),
)

/** Reading a global may throw, for example `Storage` in some versions of Node. */
function read(name: string): unknown {
  try {
    return Reflect.get(globalThis, name)
  } catch {
    return undefined
  }
}

export const { AbortController } = globalThis

/**
 * Keeps `value instanceof File` working when `File` is a model. socket.io checks this for everything it sends, and the
 * check would throw because a model is not a function.
 */
export function keepInstanceof(globalId: string, model: object): void {
  const original = constructors.get(globalId)
  if (typeof original !== 'function' || Reflect.get(globalThis, globalId) !== model) return
  Object.defineProperty(model, Symbol.hasInstance, { value: (value: unknown) => value instanceof original })
}
