/** The circumstances under which changes are published. */
export interface Turn {
  /** Ends it after the present call. */
  readonly signal: AbortSignal
  /** Called before each event is published; throws when this node may not publish any more. */
  check(): void
}

/** Another node may have taken over: what is left of the change is published there. */
export class Overtaken extends Error {}

/** Throws {@link Overtaken} when this node may not publish any more. */
export function assertMayPublish({ check }: Turn): void {
  try {
    check()
  } catch (error) {
    throw new Overtaken('This node may no longer publish.', { cause: error })
  }
}
