/** The conditions for publishing changes. */
export interface DispatchContext {
  /** Stops dispatching after the current call. */
  readonly signal: AbortSignal
  /** Called before each event is published. Throws if this node may no longer publish. */
  check(): void
}

/** Another node may lead now, and publishes the rest of the change. */
export class LeadershipLost extends Error {}

/** Throws {@link LeadershipLost} if this node may no longer publish. */
export function assertMayPublish({ check }: DispatchContext): void {
  try {
    check()
  } catch (error) {
    throw new LeadershipLost('This node may no longer publish.', { cause: error })
  }
}
