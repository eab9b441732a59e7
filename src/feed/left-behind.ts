import type { Models, RecordId } from '../ontology/model.ts'
import type { PublishCall, RemoveCall, UpdateCall } from '../publish/call.ts'
import { idOf } from '../publish/record-id.ts'
import { removesRecord } from '../publish/related-rows.ts'
import type { RowChange } from '../publish/row-change.ts'
import { recordKey } from './record-key.ts'
import type { Circumstances, Stage } from './stage.ts'

/** How long after a record was destroyed its links may still be cleared by the same destruction, in milliseconds. */
const WINDOW_MS = 60_000
/** Destroyed records and their members that are remembered at once; beyond that, members may be told twice. */
const REMEMBERED = 10_000

interface Destroyed {
  readonly at: number
  /** Who was told that it has left them, by record and attribute. */
  readonly told: Set<string>
}

/**
 * With `cascade` Waterline destroys a record first and clears its links afterwards, each in a transaction of its own. Who
 * pointed at the record when it was gone was told then, and is not told again when the link goes too.
 */
export class LeftBehind implements Stage {
  readonly #models: Models
  /** Oldest first. */
  readonly #destroyed = new Map<string, Destroyed>()
  #remembered = 0

  constructor(models: Models) {
    this.#models = models
  }

  revise(calls: PublishCall[], { change, meta }: Circumstances): PublishCall[] {
    if (this.#destroyed.size === 0 && !removesRecord(change)) return calls
    this.#forgetOld(meta.at)
    const { model, old, new: row } = change
    const news = calls.filter(call => !this.#isOldNews(call, change))
    if (model.junction) return news
    if (row) this.#forget(recordKey(model.identity, idOf(model, row))) // it is there, again perhaps
    if (old && removesRecord(change)) this.#note(recordKey(model.identity, idOf(model, old)), calls, meta.at)
    return news
  }

  #isOldNews(call: PublishCall, change: RowChange): boolean {
    if (call.fn === 'publishRemove') return this.#isKnownToHaveLeft(call)
    return (
      call.fn === 'publishUpdate' && call.identity === change.model.identity && this.#isKnownToBeCleared(call, change)
    )
  }

  #isKnownToHaveLeft({ identity, id, alias, childId }: RemoveCall): boolean {
    if (this.#destroyed.has(recordKey(identity, id))) return true // nobody is subscribed to it any more
    const association = this.#models.get(identity)?.associations.find(association => association.alias === alias)
    if (association?.type !== 'collection') return false
    return this.#take(recordKey(association.collection, childId), memberKey(identity, id, alias))
  }

  /** An update that empties foreign keys of which that was told, and says nothing else. */
  #isKnownToBeCleared({ identity, id, changes }: UpdateCall, change: RowChange): boolean {
    const { model, changed, old = {}, new: row = {} } = change
    // Taken whatever becomes of the key: if it leads to that record once more, it is told anew when it is emptied.
    const emptied = [...changed].filter(name => {
      const parent = model.attributes.get(name)?.model
      const taken = parent !== undefined && this.#take(recordKey(parent, old[name]), memberKey(identity, id, name))
      return taken && row[name] === null
    })
    const isOld = (name: string) =>
      name === model.primaryKey || emptied.includes(name) || model.attributes.get(name)?.autoTimestamp === true
    return emptied.length > 0 && [...changed, ...Object.keys(changes)].every(isOld)
  }

  /** Whether that member was told; it is told once. */
  #take(record: string, member: string): boolean {
    const taken = this.#destroyed.get(record)?.told.delete(member) ?? false
    if (taken) this.#remembered--
    return taken
  }

  #note(record: string, calls: readonly PublishCall[], at: number) {
    this.#forget(record)
    const told = new Set(calls.flatMap(toldBy))
    this.#destroyed.set(record, { at, told })
    this.#remembered += told.size + 1
  }

  #forget(record: string) {
    const destroyed = this.#destroyed.get(record)
    if (!destroyed) return
    this.#destroyed.delete(record)
    this.#remembered -= destroyed.told.size + 1
  }

  #forgetOld(now: number) {
    for (const [record, { at }] of this.#destroyed) {
      if (this.#remembered <= REMEMBERED && now - at <= WINDOW_MS) return
      this.#forget(record)
    }
  }
}

/** The members that the calls of a destroyed record speak to. */
function toldBy(call: PublishCall): string[] {
  if (call.fn === 'publishRemove') return [memberKey(call.identity, call.id, call.alias)]
  if (call.fn !== 'publishUpdate') return []
  return Object.keys(call.changes).map(name => memberKey(call.identity, call.id, name))
}

const memberKey = (identity: string, id: RecordId, attribute: string) =>
  JSON.stringify([identity, String(id), attribute])
