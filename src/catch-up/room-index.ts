import { classRoom, recordRoom } from '../publish/socketio/rooms.ts'
import type { SentEvent } from '../publish/socketio/sent-event.ts'

/**
 * Finds the events that concern a socket by its rooms, so that the work for a client depends on what it missed and not on
 * what was sent. Events have ascending numbers.
 */
export class RoomIndex {
  readonly #numbers = new Map<string, number[]>()
  /** Of events that may concern a socket in any room of a model. */
  #forAll: number[] = []
  /** Entries in all lists, and how many of them there were after the last removal. */
  #entries = 0
  #kept = 0

  add(number: number, { steps }: SentEvent): void {
    const rooms = new Set<string>()
    for (const step of steps) {
      if (step.do === 'refetch') this.#forAll.push(number)
      else if (step.do === 'subscribe') rooms.add(step.from)
      else if (step.do === 'unsubscribe') rooms.add(recordRoom(step.identity, step.id)).add(classRoom(step.identity))
      else for (const room of step.rooms) rooms.add(room)
    }
    for (const room of rooms) {
      const numbers = this.#numbers.get(room)
      if (numbers) numbers.push(number)
      else this.#numbers.set(room, [number])
    }
    this.#entries += rooms.size + 1
  }

  /** Frees all entries, also while {@link concerning} is underway. */
  clear(): void {
    this.#numbers.clear()
    this.#forAll = []
    this.#entries = 0
    this.#kept = 0
  }

  /** Frees the entries of events with lower numbers, when they may be about half of all. */
  forget(before: number): void {
    if (this.#entries < 2 * this.#kept + 1_000) return
    this.#forAll = this.#forAll.slice(firstFrom(this.#forAll, before))
    this.#entries = this.#forAll.length
    for (const [room, numbers] of this.#numbers) {
      const left = numbers.slice(firstFrom(numbers, before))
      if (left.length === 0) this.#numbers.delete(room)
      else this.#numbers.set(room, left)
      this.#entries += left.length
    }
    this.#kept = this.#entries
  }

  /**
   * The numbers from `start` to before `end` that concern a socket in these rooms, ascending. The rooms may change between
   * two of them: events of a room that was joined follow.
   */
  *concerning(rooms: ReadonlySet<string>, start: number, end: number): Generator<number> {
    const included = new Set<string>()
    let [left, size, next] = [descending(within(this.#forAll, start, end)), -1, start]
    for (;;) {
      if (rooms.size !== size) {
        const joined = [...rooms].filter(room => !included.has(room))
        for (const room of joined) included.add(room)
        const found = joined.flatMap(room => within(this.#numbers.get(room) ?? [], next, end))
        if (found.length > 0) left = descending([...left, ...found])
        size = rooms.size
      }
      const number = left.pop()
      if (number === undefined) return
      next = number + 1
      yield number
    }
  }
}

const descending = (numbers: number[]): number[] => [...new Set(numbers)].sort((a, b) => b - a)

/** Of an ascending list. */
const within = (numbers: readonly number[], start: number, end: number): number[] =>
  numbers.slice(firstFrom(numbers, start), firstFrom(numbers, end))

/** Index of the first number that is not below the limit, by binary search. */
function firstFrom(numbers: readonly number[], limit: number): number {
  let [low, high] = [0, numbers.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((numbers[middle] ?? limit) < limit) low = middle + 1
    else high = middle
  }
  return low
}
