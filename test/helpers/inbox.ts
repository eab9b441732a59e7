import { EventEmitter } from 'node:events'
import { inspect } from 'node:util'

/** A message as a client got it. */
export interface Message {
  /** The model's identity, for a resourceful pub-sub message. */
  readonly event: string
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  readonly data: any
  /** The second argument: the cursor and so on. */
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  readonly meta: any
}

/** What a client has received, in order, and a way to wait for more. */
export class Inbox {
  readonly all: Message[] = []
  readonly #taken = new Set<Message>()
  readonly #arrivals = new EventEmitter().setMaxListeners(0)

  add(event: string, [data, meta]: unknown[]) {
    this.all.push({ event, data, meta })
    this.#arrivals.emit('message')
  }

  of(event: string): Message[] {
    return this.all.filter(message => message.event === event)
  }

  /** The first message of this event that fits and that no earlier `next` has returned; waits for it where need be. */
  async next(event: string, fits: (message: Message) => boolean = () => true, withinMs = 5_000): Promise<Message> {
    const untaken = () => this.of(event).find(message => !this.#taken.has(message) && fits(message))
    const message = untaken() ?? (await this.#arrival(untaken, event, withinMs))
    this.#taken.add(message)
    return message
  }

  /** Resolves when `count` messages of this event have come, with all of them, which may be more. */
  async count(event: string, count: number, withinMs = 5_000): Promise<Message[]> {
    const enough = () => (this.of(event).length >= count ? this.of(event) : undefined)
    return enough() ?? (await this.#arrival(enough, event, withinMs))
  }

  clear() {
    this.all.length = 0
    this.#taken.clear()
  }

  #arrival<T>(found: () => T | undefined, event: string, withinMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const result = found()
        if (result !== undefined) finish(() => resolve(result))
      }
      const late = setTimeout(() => finish(() => reject(this.#missing(event, withinMs))), withinMs)
      const finish = (settle: () => void) => {
        clearTimeout(late)
        this.#arrivals.off('message', look)
        settle()
      }
      this.#arrivals.on('message', look)
    })
  }

  #missing(event: string, withinMs: number): Error {
    const others = inspect(this.all, { depth: 4, breakLength: 120, maxArrayLength: 20 })
    return new Error(`no such ${event} message within ${withinMs} ms; there were ${this.all.length}: ${others}`)
  }
}
