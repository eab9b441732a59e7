import type { ChangeEvent } from '../pipeline/events.ts'

/**
 * A change of one of the models that `Records` names, by identity. The identity says which: in
 * `if (change.identity === 'user')` the record is one of `Records['user']`.
 */
export type ChangeOf<Records extends object> = {
  [Identity in keyof Records & string]: Omit<ChangeEvent, 'identity' | 'record' | 'previous'> & {
    readonly identity: Identity
    readonly record?: Records[Identity]
    readonly previous?: Records[Identity]
  }
}[keyof Records & string]

/** What a feed of typed records says of changes more exactly than any feed does. */
export interface TypedChanges<Records extends object> {
  on(event: 'change', listener: (change: ChangeOf<Records>) => unknown): this
  once(event: 'change', listener: (change: ChangeOf<Records>) => unknown): this
  off(event: 'change', listener: (change: ChangeOf<Records>) => unknown): this
  onChange(handler: (change: ChangeOf<Records>) => unknown): () => void
}
