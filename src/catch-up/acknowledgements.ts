import type { AcknowledgedPlace } from '../change-log/consumers.ts'

interface Handed {
  readonly item: object
  readonly place: AcknowledgedPlace
}

/**
 * Knows how far a consumer may resume: behind everything that it acknowledged, and never behind an item that it did not.
 * Several items may stand at one place of the log, as the gaps of several models do.
 */
export class Acknowledgements {
  #open: Handed[] = []
  /** Behind the last acknowledged item, where no later item stands at the same place. */
  #acknowledged: AcknowledgedPlace | null = null
  /** Everything up to it was handed over or not asked for. */
  #read: AcknowledgedPlace | null = null

  /** An item is handed over next. */
  add(item: object, place: AcknowledgedPlace): void {
    this.#open.push({ item, place })
    this.#read = null
  }

  /** The log was read up to this place. */
  reached(place: AcknowledgedPlace): void {
    this.#read = place
  }

  /** Takes an item, and all before it, as done. One that was acknowledged before, or is unknown, changes nothing. */
  acknowledge(item: object): void {
    const index = this.#open.findIndex(each => each.item === item)
    if (index < 0) return
    const done = this.#open.splice(0, index + 1)
    const next = this.#open[0]?.place
    const last = done.findLast(({ place }) => !next || !isSame(place, next))
    if (last) this.#acknowledged = last.place
  }

  /** Where the consumer resumes; null while that has not changed. */
  get place(): AcknowledgedPlace | null {
    return (this.#open.length === 0 && this.#read) || this.#acknowledged
  }
}

const isSame = (a: AcknowledgedPlace, b: AcknowledgedPlace) =>
  a.epoch === b.epoch && a.tick === b.tick && a.seq === b.seq
