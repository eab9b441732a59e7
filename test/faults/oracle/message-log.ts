import { PHANTOM } from './writes.ts'

/** What a client or a consumer learnt about a record, or that it read a model as a whole. */
export interface Entry {
  readonly verb: 'created' | 'updated' | 'destroyed' | 'addedTo' | 'removedFrom' | 'refetch' | 'read'
  readonly identity: string
  readonly id?: number
  /** Number of the record's state, where the message has it. */
  readonly rev?: number
  /** Same for a message that was sent again. */
  readonly key: string
  readonly reason?: string
  readonly text: string
}

/**
 * Checks a log as it grows: nothing that was rolled back, and the states of each record in order without one missing,
 * from the first that was seen until a gap is declared. A message that comes again is counted and otherwise ignored.
 */
export class MessageLog {
  readonly violations: string[] = []
  /** Gaps by reason. */
  readonly gaps = new Map<string, number>()
  readonly #seen = new Set<string>()
  readonly #revs = new Map<string, Map<number, number>>()
  /** The last messages about each record, and reads of its model. */
  readonly #history = new Map<string, string[]>()
  readonly name: string
  repeats = 0
  count = 0

  constructor(name: string) {
    this.name = name
  }

  add(entry: Entry): void {
    this.#remember(entry)
    if (entry.verb === 'refetch') this.gaps.set(entry.reason ?? '', (this.gaps.get(entry.reason ?? '') ?? 0) + 1)
    if (entry.verb === 'refetch' || entry.verb === 'read') return void this.#revs.delete(entry.identity)
    this.count++
    if (entry.text.includes(PHANTOM)) this.#violate(entry, 'of a transaction that was rolled back')
    if (this.#seen.has(entry.key)) this.repeats++
    else this.#follow(entry)
    this.#seen.add(entry.key)
  }

  #follow(entry: Entry) {
    const { verb, identity, id = 0, rev } = entry
    const revs = this.#revs.get(identity) ?? new Map<number, number>()
    this.#revs.set(identity, revs)
    if (verb === 'destroyed') revs.delete(id)
    if (rev === undefined) return
    const last = revs.get(id)
    if (verb === 'updated' && last !== undefined && rev !== last + 1) {
      this.#violate(entry, rev > last ? `follows rev ${last}: a hole` : `follows rev ${last}: out of order`)
    }
    revs.set(id, rev)
  }

  #violate({ identity, id, text }: Entry, problem: string) {
    if (this.violations.length >= 5) return
    this.violations.push([`${this.name}: ${text} ${problem}. Before:`, ...this.history(identity, id)].join('\n    '))
  }

  /** The last messages about a record. */
  history(identity: string, id = 0): string[] {
    return this.#history.get(`${identity} ${id}`) ?? []
  }

  #remember({ identity, id, text }: Entry) {
    if (id === undefined) {
      for (const [key, lines] of this.#history) if (key.startsWith(`${identity} `)) lines.push(text)
      return
    }
    const key = `${identity} ${id}`
    const lines = this.#history.get(key) ?? []
    this.#history.set(key, [...lines.slice(-7), text])
  }
}
