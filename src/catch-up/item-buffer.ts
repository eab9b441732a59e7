import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { AbortController } from '../node-globals.ts'

/** Items between one that reads ahead and one that takes them: a bounded number, in order. */
export class ItemBuffer<Item> {
  readonly #stream: PassThrough

  constructor(size: number) {
    this.#stream = new PassThrough({ objectMode: true, highWaterMark: size })
    this.#stream.on('error', () => {}) // thrown by whoever takes the items
  }

  /** Resolves when there is room for more. */
  async push(item: Item, signal: AbortSignal): Promise<void> {
    if (!this.#stream.write(item)) await once(this.#stream, 'drain', { signal })
  }

  /** What there is, at most so many. */
  take(size: number): Item[] {
    const items: Item[] = []
    while (items.length < size) {
      const item: Item | null = this.#stream.read()
      if (item === null) break
      items.push(item)
    }
    return items
  }

  /** Waits for items. False when none will come any more. Throws the error that it was failed with. */
  async hasMore(): Promise<boolean> {
    const isOver = this.#stream.readableEnded || this.#stream.destroyed || !(await this.#readable())
    if (isOver && this.#stream.errored) throw this.#stream.errored
    return !isOver
  }

  end(): void {
    this.#stream.end()
  }

  fail(error: Error): void {
    this.#stream.destroy(error)
  }

  async #readable(): Promise<boolean> {
    const settled = new AbortController()
    const { signal } = settled
    const readable = once(this.#stream, 'readable', { signal }).then(() => true)
    const closed = once(this.#stream, 'close', { signal }).then(() => false)
    try {
      return await Promise.race([readable, closed])
    } catch {
      return false // it was failed
    } finally {
      settled.abort()
      for (const waiting of [readable, closed]) waiting.catch(() => {})
    }
  }
}
