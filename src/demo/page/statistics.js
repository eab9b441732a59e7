import { byId } from '/page/element.js'
import { formatMs } from './messages.js'

const WINDOW_MS = 60_000
const REFRESH_MS = 1_000

/** Number and median latency of the messages of the last minute. */
export class Statistics {
  /** Oldest first. */
  #arrivals = []

  constructor() {
    setInterval(() => this.#show(), REFRESH_MS)
  }

  add(latency) {
    this.#arrivals.push({ at: performance.now(), latency })
    if (this.#arrivals.length === 1) this.#show()
  }

  clear() {
    this.#arrivals = []
    this.#show()
  }

  #show() {
    const oldest = performance.now() - WINDOW_MS
    const first = this.#arrivals.findIndex(({ at }) => at >= oldest)
    this.#arrivals = first === -1 ? [] : this.#arrivals.slice(first)
    byId('message-count').textContent = this.#arrivals.length.toLocaleString('en')
    byId('median').textContent = formatMs(median(this.#arrivals.flatMap(({ latency }) => latency ?? [])))
  }
}

function median(values) {
  if (values.length === 0) return undefined
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
}
