import type { ChangeEvent } from '../pipeline/events.ts'

/**
 * A change of one of the models in `Records`, discriminated by `identity`: within `if (change.identity === 'user')`,
 * the record has the type `Records['user']`.
 */
export type ChangeOf<Records extends object> = {
  [Identity in keyof Records & string]: Omit<ChangeEvent, 'identity' | 'record' | 'previous'> & {
    readonly identity: Identity
    readonly record?: Records[Identity]
    readonly previous?: Records[Identity]
  }
}[keyof Records & string]

/** Narrows the change types of a feed to the given records. */
export interface TypedChanges<Records extends object> {
  on(event: 'change', listener: (change: ChangeOf<Records>) => unknown): this
  once(event: 'change', listener: (change: ChangeOf<Records>) => unknown): this
  off(event: 'change', listener: (change: ChangeOf<Records>) => unknown): this
  onChange(handler: (change: ChangeOf<Records>) => unknown): () => void
}
