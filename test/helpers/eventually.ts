import { setTimeout } from 'node:timers/promises'

/** Runs `assertion` until it no longer throws, and gives what it returns. At the deadline its last error is thrown. */
export async function eventually<T>(
  assertion: () => T | Promise<T>,
  { withinMs = 5_000, everyMs = 20 } = {},
): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    try {
      return await assertion()
    } catch (error) {
      if (Date.now() >= deadline) throw error
    }
    await setTimeout(everyMs)
  }
}

/** The arguments of the next event of that name. */
export function eventOf<Args extends unknown[] = unknown[]>(
  emitter: Emitter,
  name: string,
  { withinMs = 5_000, where = (..._args: Args): boolean => true } = {},
): Promise<Args> {
  return new Promise((resolve, reject) => {
    const late = globalThis.setTimeout(
      () => finish(() => reject(new Error(`no ${name} within ${withinMs} ms`))),
      withinMs,
    )
    const listener = (...args: unknown[]) => {
      if (where(...(args as Args))) finish(() => resolve(args as Args))
    }
    const finish = (settle: () => void) => {
      clearTimeout(late)
      emitter.off(name, listener)
      settle()
    }
    emitter.on(name, listener)
  })
}

interface Emitter {
  on(name: string, listener: (...args: unknown[]) => void): unknown
  off(name: string, listener: (...args: unknown[]) => void): unknown
}
