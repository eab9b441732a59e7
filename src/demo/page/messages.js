import { byId, element } from '/page/element.js'

const MOST_SHOWN = 200

/** The messages of one socket, newest first, and the number of messages since the last write. */
export class MessagePane {
  #list
  #empty
  #score
  #waiting = []
  #sinceWrite = null

  constructor(id) {
    const pane = byId(id)
    this.#list = pane.querySelector('.messages')
    this.#empty = pane.querySelector('.empty')
    this.#score = pane.querySelector('.score')
  }

  /** `meta` is the second argument of a message: when the row changed, and the cursor. */
  add(event, payload, meta) {
    this.#waiting.push({ event, payload, meta, latency: latencyOf(meta), at: new Date() })
    if (this.#sinceWrite !== null) this.#sinceWrite++
    if (this.#waiting.length === 1) requestAnimationFrame(() => this.#show())
  }

  /** Starts counting for the next write. */
  startWrite() {
    this.#sinceWrite = 0
    this.#showScore()
  }

  clear() {
    this.#waiting = []
    this.#sinceWrite = null
    this.#list.replaceChildren()
    this.#empty.hidden = false
    this.#showScore()
  }

  #show() {
    const items = this.#waiting.slice(-MOST_SHOWN).reverse()
    this.#waiting = []
    this.#list.prepend(...items.map(listItem))
    while (this.#list.children.length > MOST_SHOWN) this.#list.lastElementChild.remove()
    this.#empty.hidden = this.#list.children.length > 0
    this.#showScore()
  }

  #showScore() {
    const count = this.#sinceWrite
    this.#score.dataset.count = count ?? ''
    this.#score.textContent =
      count === null ? '' : `${count} ${count === 1 ? 'message' : 'messages'} from the last write`
  }
}

/** Milliseconds since the change of the row. Undefined for a message without a time. */
export const latencyOf = meta => (meta?.at === undefined ? undefined : Math.max(0, now() - meta.at))

/** More precise than Date.now(), if the browser allows it. */
const now = () => performance.timeOrigin + performance.now()

function listItem({ event, payload, meta, latency, at }) {
  const time = at.toLocaleTimeString('en-GB')
  const summary = element(
    'summary',
    {},
    element('span', { className: 'verb' }, payload.verb ?? 'message'),
    element('span', { className: 'about' }, subject(event, payload)),
    element('span', { className: 'latency', title: `Arrived ${time}` }, arrival(meta, latency)),
    element('span', { className: 'line' }, gist(payload)),
  )
  const whole = JSON.stringify({ event, payload, meta }, null, 2)
  const details = element('details', {}, summary, element('pre', {}, whole))
  return element('li', { className: 'new', dataset: { verb: payload.verb ?? '', model: event } }, details)
}

/** A missed message arrived as late as the client came back. */
function arrival(meta, latency) {
  if (meta?.replayed) return 'missed'
  return latency === undefined ? '' : formatMs(latency)
}

function subject(event, payload) {
  const { id, attribute, addedId, removedId, identity } = payload
  if (payload.verb === 'addedTo') return `${event} ${id} ${attribute} + ${addedId}`
  if (payload.verb === 'removedFrom') return `${event} ${id} ${attribute} − ${removedId}`
  return `${identity ?? event} ${id ?? ''}`
}

/** A one-line summary of the payload. */
function gist({ verb, id, data, previous, ...rest }) {
  return JSON.stringify(data ?? previous ?? (Object.keys(rest).length > 0 ? rest : { id }))
}

export function formatMs(ms) {
  if (ms === undefined) return '–'
  return ms < 1 ? '< 1 ms' : ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms).toLocaleString('en')} ms`
}
