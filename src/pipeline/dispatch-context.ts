/** The circumstances under which changes are published. */
export interface DispatchContext {
  /** Ends it after the present call. */
  readonly signal: AbortSignal
  /** Called before each event is published; throws when this node may not publish any more. */
  check(): void
}

/** Another node may have taken over: what is left of the change is published there. */
export class LeadershipLost extends Error {}

/** Throws {@link LeadershipLost} when this node may not publish any more. */
export function assertMayPublish({ check }: DispatchContext): void {
  try {
    check()
  } catch (error) {
    throw new LeadershipLost('This node may no longer publish.', { cause: error })
  }
}
