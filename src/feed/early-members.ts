import type { Models } from '../ontology/model.ts'
import type { AddCall, PublishCall, RemoveCall } from '../publish/call.ts'
import type { Circumstances, Stage } from './stage.ts'

/** Members of one tick that are remembered; of a longer one, clients of the records that it creates read again. */
const REMEMBERED = 10_000

/**
 * A transaction may insert a member, or a link, before the record that it belongs to. No socket is in the room of that
 * record then, and `addedTo` reaches nobody: it is published again behind `created`. A transaction is published in one
 * tick, so nothing is remembered for longer.
 */
export class EarlyMembers implements Stage {
  readonly #models: Models
  #tick = -1n
  /** By record, then by attribute and member. */
  readonly #added = new Map<string, Map<string, AddCall>>()
  #remembered = 0
  readonly #incomplete = new Set<string>()

  constructor(models: Models) {
    this.#models = models
  }

  revise(calls: PublishCall[], { tick }: Circumstances): PublishCall[] {
    if (tick !== this.#tick) this.#begin(tick)
    return calls.flatMap(call => this.#withEarlyMembers(call))
  }

  /** Models of which the present tick has created records whose early members were too many to remember. */
  incomplete(): string[] {
    return [...this.#incomplete]
  }

  #begin(tick: bigint) {
    this.#tick = tick
    this.#added.clear()
    this.#remembered = 0
    this.#incomplete.clear()
  }

  #withEarlyMembers(call: PublishCall): PublishCall[] {
    if (call.fn === 'publishAdd') this.#note(call)
    if (call.fn === 'publishRemove') this.#added.get(recordOf(call))?.delete(memberOf(call))
    if (call.fn === 'publishDestroy') this.#added.delete(recordOf(call))
    if (call.fn !== 'publishCreate') return [call]
    for (const reverse of call.reverse) this.#withEarlyMembers(reverse)
    if (this.#remembered >= REMEMBERED && this.#hasCollections(call.identity)) this.#incomplete.add(call.identity)
    return [call, ...(this.#added.get(recordOf(call))?.values() ?? [])]
  }

  #note(call: AddCall) {
    if (this.#remembered >= REMEMBERED) return
    this.#remembered++
    const record = recordOf(call)
    const members = this.#added.get(record) ?? new Map<string, AddCall>()
    this.#added.set(record, members.set(memberOf(call), call))
  }

  #hasCollections(identity: string): boolean {
    return this.#models.get(identity)?.associations.some(({ type }) => type === 'collection') ?? false
  }
}

const recordOf = ({ identity, id }: { readonly identity: string; readonly id: unknown }) =>
  JSON.stringify([identity, String(id)])

const memberOf = ({ alias, childId }: AddCall | RemoveCall) => JSON.stringify([alias, String(childId)])
