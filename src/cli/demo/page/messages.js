import { byId, element } from './element.js'

const MOST_SHOWN = 200
const MOST_REMEMBERED = 1000

/** The messages as they arrived, newest first. */
export function messageList() {
  const list = byId('messages')
  const latencies = []
  let waiting = []
  let count = 0
  byId('clear').addEventListener('click', () => {
    list.replaceChildren()
    showEmpty(true)
    byId('sql').focus()
  })

  const show = () => {
    const items = waiting.slice(-MOST_SHOWN).reverse()
    waiting = []
    list.prepend(...items.map(listItem))
    while (list.children.length > MOST_SHOWN) list.lastElementChild.remove()
    showEmpty(false)
    byId('message-count').textContent = count.toLocaleString('en')
    byId('median').textContent = formatMs(median(latencies))
  }

  return {
    /** `meta` is the second argument of a message: when the change happened, and its cursor. */
    add(event, payload, meta) {
      const latency = meta?.at === undefined ? undefined : Math.max(0, now() - meta.at)
      if (latency !== undefined) latencies.push(latency)
      if (latencies.length > MOST_REMEMBERED) latencies.shift()
      count++
      waiting.push({ event, payload, meta, latency, at: new Date() })
      if (waiting.length === 1) requestAnimationFrame(show)
    },
  }
}

/** Finer than Date.now(), where the browser allows it. */
const now = () => performance.timeOrigin + performance.now()

function showEmpty(isEmpty) {
  byId('no-messages').hidden = !isEmpty
  byId('clear').hidden = isEmpty
}

function listItem({ event, payload, meta, latency, at }) {
  const time = at.toLocaleTimeString('en-GB')
  const summary = element(
    'summary',
    {},
    element('span', { className: 'verb' }, payload.verb ?? 'message'),
    element('span', { className: 'about' }, subject(event, payload)),
    element('span', { className: 'latency', title: `Arrived ${time}` }, formatMs(latency)),
    element('span', { className: 'line' }, gist(payload)),
  )
  const whole = JSON.stringify({ event, payload, meta }, null, 2)
  const details = element('details', {}, summary, element('pre', {}, whole))
  return element('li', { className: 'new', dataset: { verb: payload.verb ?? '', model: event } }, details)
}

function subject(event, payload) {
  const { id, attribute, addedId, removedId, identity } = payload
  if (payload.verb === 'addedTo') return `${event} ${id} ${attribute} + ${addedId}`
  if (payload.verb === 'removedFrom') return `${event} ${id} ${attribute} − ${removedId}`
  return `${identity ?? event} ${id ?? ''}`
}

/** What is new in it, in a line; all of it is a click away. */
function gist({ verb, id, data, previous, ...rest }) {
  return JSON.stringify(data ?? previous ?? (Object.keys(rest).length > 0 ? rest : { id }))
}

function median(values) {
  if (values.length === 0) return undefined
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

export function formatMs(ms) {
  if (ms === undefined) return '–'
  return ms < 1 ? '< 1 ms' : ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms).toLocaleString('en')} ms`
}
