import { BoundedMap } from '../../bounded-map.ts'
import { compositeKey } from '../../composite-key.ts'
import type { AddedToEvent } from '../../publish/mapping/record-event.ts'

/** Maximum number of remembered members. Beyond it, the oldest are forgotten, and no more of their scope are remembered. */
const REMEMBERED = 10_000
/** Scopes of which it is known that members were forgotten. */
const INCOMPLETE = 100

/** A record, and one of its members. */
export type Membership = Pick<AddedToEvent, 'identity' | 'id' | 'alias' | 'childId'>

type RecordOf = Pick<Membership, 'identity' | 'id'>

/** What a member is remembered for: the rest of a tick, or the rest of a request. */
export type Scope = { readonly tick: bigint } | { readonly request: string }

interface Remembered {
  readonly event: AddedToEvent
  readonly record: string
  readonly scope: string
}

/**
 * What earlier changes said about members of records, for the rules whose events depend on it: all that rules remember from
 * one page to the next. It is bounded, and cleared where a range of the log is read again, so that the range gives the
 * same events.
 */
export class MemberMemory {
  readonly #count: number
  /** Oldest first. */
  readonly #members = new Map<string, Remembered>()
  /** Keys of the members of a record in a scope. */
  readonly #ofRecord = new Map<string, Set<string>>()
  readonly #incomplete = new BoundedMap<string, true>({ count: INCOMPLETE })

  constructor({ count = REMEMBERED }: { readonly count?: number } = {}) {
    this.#count = count
  }

  add(scope: Scope, event: AddedToEvent): void {
    if (!this.isComplete(scope)) return
    const [key, record] = [memberKey(scope, event), recordKey(scope, event)]
    this.#remove(key)
    this.#members.set(key, { event, record, scope: scopeKey(scope) })
    const keys = this.#ofRecord.get(record)
    if (keys) keys.add(key)
    else this.#ofRecord.set(record, new Set([key]))
    if (this.#members.size > this.#count) this.#removeOldest()
  }

  has(scope: Scope, membership: Membership): boolean {
    return this.#members.has(memberKey(scope, membership))
  }

  /** Forgets a member. Whether it was remembered. */
  remove(scope: Scope, membership: Membership): boolean {
    return this.#remove(memberKey(scope, membership))
  }

  /** Forgets the members of a record. */
  removeAll(scope: Scope, record: RecordOf): void {
    for (const key of this.#ofRecord.get(recordKey(scope, record)) ?? []) this.#remove(key)
  }

  /** The events of a record's members, in the order in which they were added. */
  of(scope: Scope, record: RecordOf): AddedToEvent[] {
    const keys = this.#ofRecord.get(recordKey(scope, record)) ?? []
    return [...keys].flatMap(key => this.#members.get(key)?.event ?? [])
  }

  /** Whether no member of the scope was forgotten because there were too many. */
  isComplete(scope: Scope): boolean {
    return !this.#incomplete.has(scopeKey(scope))
  }

  clear(): void {
    this.#members.clear()
    this.#ofRecord.clear()
    this.#incomplete.clear()
  }

  #removeOldest() {
    for (const [key, { scope }] of this.#members) {
      this.#incomplete.set(scope, true)
      this.#remove(key)
      return
    }
  }

  #remove(key: string): boolean {
    const member = this.#members.get(key)
    if (!member) return false
    const keys = this.#ofRecord.get(member.record)
    keys?.delete(key)
    if (keys?.size === 0) this.#ofRecord.delete(member.record)
    return this.#members.delete(key)
  }
}

const scopeKey = (scope: Scope): string => ('tick' in scope ? `tick ${scope.tick}` : `request ${scope.request}`)

const recordKey = (scope: Scope, { identity, id }: RecordOf) => compositeKey(scopeKey(scope), identity, id)

const memberKey = (scope: Scope, { identity, id, alias, childId }: Membership) =>
  compositeKey(scopeKey(scope), identity, id, alias, childId)
