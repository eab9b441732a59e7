/**
 * Loads what Node loads only when one of its globals is first used, and keeps the globals that are used later.
 *
 * Sails makes each model a global, whatever the name: one called `Event` replaces Node's. The first use of `Response`,
 * `fetch` or `WebSocket` loads a library that extends the global `Event` of that moment, and fails from then on. To be
 * imported before the models of an app are loaded.
 */
const constructors = new Map(
  Object.getOwnPropertyNames(globalThis)
    .filter(name => /^[A-Z]/.test(name))
    .map(name => [name, read(name)]),
)

/** A global may refuse to be read, such as `Storage` on some versions of Node. */
function read(name: string): unknown {
  try {
    return Reflect.get(globalThis, name)
  } catch {
    return undefined
  }
}

export const { AbortController } = globalThis

/**
 * Makes `value instanceof File` what it is in Node where `File` is a model now: socket.io asks this of all that it sends,
 * and the question would throw, as a model is no function.
 */
export function keepInstanceof(globalId: string, model: object): void {
  const original = constructors.get(globalId)
  if (typeof original !== 'function' || Reflect.get(globalThis, globalId) !== model) return
  Object.defineProperty(model, Symbol.hasInstance, { value: (value: unknown) => value instanceof original })
}
