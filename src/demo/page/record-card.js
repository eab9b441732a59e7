import { element } from '/page/element.js'

const MOST_ROWS = 60

/** The records of one model as a table. Changed rows are highlighted. */
export class RecordCard {
  #columns
  #rows = new Map()
  #count = element('span', { className: 'count' })
  #head = element('thead')
  #body = element('tbody')
  #grid = element('div', { className: 'scroll' }, element('table', {}, this.#head, this.#body))
  #empty = element('p', { className: 'empty', hidden: true })
  #more = element('p', { className: 'more aside', hidden: true })

  /** Columns are `[title, kind, value of a record]`; kinds are text, number and tags. */
  constructor({ identity, table, hidden }, columns) {
    this.#columns = columns
    this.#empty.textContent = `There are no ${table}. New ones appear here.`
    this.#head.append(headRow(columns))
    const title = element('h3', { id: `card-${identity}` }, identity)
    const name = element('span', {}, title, element('span', { className: 'table-name mono' }, table))
    const heading = element('div', { className: 'heading' }, name, this.#count)
    const parts = [heading, this.#grid, this.#empty, this.#more, hiddenAttributes(hidden)]
    const className = `panel card${columns.length > 3 ? ' wide' : ''}`
    this.element = element('section', { className, dataset: { model: identity } }, ...parts)
    this.element.setAttribute('aria-labelledby', title.id)
  }

  /** `verbOf` returns the last verb for a record since the last draw, if any. */
  draw(records, verbOf) {
    const all = [...records].sort((a, b) => a.id - b.id)
    const shown = all.slice(-MOST_ROWS)
    this.#dropOthers(new Set(shown.map(({ id }) => id)), verbOf)
    this.#place(shown, verbOf)
    this.#count.textContent = all.length === 1 ? '1 record' : `${all.length.toLocaleString('en')} records`
    this.#head.hidden = all.length === 0
    this.#empty.hidden = all.length > 0
    this.#more.hidden = all.length === shown.length
    this.#more.textContent = `Showing the last ${shown.length}.`
  }

  #dropOthers(ids, verbOf) {
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue
      this.#rows.delete(id)
      leave(row, verbOf(id))
    }
  }

  #place(records, verbOf) {
    let next = this.#body.firstElementChild
    let created
    for (const record of records) {
      const row = this.#rowOf(record)
      while (next?.classList.contains('destroyed')) next = next.nextElementSibling
      if (row === next) next = next.nextElementSibling
      else this.#body.insertBefore(row, next)
      lightUp(row, verbOf(record.id))
      if (verbOf(record.id) === 'created') created = row
    }
    if (created) this.#reveal(created)
  }

  /** Scrolls the row into view within the card, without scrolling the page. */
  #reveal(row) {
    const { offsetTop, offsetHeight } = row
    const below = offsetTop + offsetHeight - this.#grid.clientHeight
    const above = offsetTop - this.#head.offsetHeight
    this.#grid.scrollTop = Math.min(Math.max(this.#grid.scrollTop, below), above)
  }

  #rowOf(record) {
    const row = this.#rows.get(record.id) ?? element('tr', { dataset: { id: record.id } })
    this.#rows.set(record.id, row)
    const cells = this.#columns.map(([key, kind, value = each => each[key]]) => cell(kind, value(record)))
    row.replaceChildren(element('td', { className: 'id' }, String(record.id)), ...cells)
    return row
  }
}

function headRow(columns) {
  const titles = [['id', 'text'], ...columns]
  return element(
    'tr',
    {},
    ...titles.map(([title, kind]) => element('th', { scope: 'col', className: classOf(kind) }, title)),
  )
}

const classOf = kind => (kind === 'number' ? kind : '')

function cell(kind, value) {
  if (value === null || value === undefined || value.length === 0) return element('td', { className: 'none' }, '–')
  if (kind !== 'tags') return element('td', { className: classOf(kind) }, String(value))
  const tags = value.map(each => element('span', { className: 'tag' }, each))
  return element('td', {}, element('div', { className: 'tags' }, ...tags))
}

function lightUp(row, verb) {
  if (verb === undefined) return
  row.className = ''
  void row.offsetWidth // restarts a running animation
  row.className = verb
}

/** Removes a row after its animation, or at once if there is none (reduced motion). */
function leave(row, verb) {
  row.className = verb ?? ''
  if (verb !== 'destroyed' || row.getAnimations().length === 0) return row.remove()
  row.addEventListener('animationend', () => row.remove(), { once: true })
}

function hiddenAttributes(hidden) {
  if (!hidden) return null
  const items = Object.entries(hidden).map(([name, why]) => element('li', {}, element('code', {}, name), ` ${why}`))
  return element('div', { className: 'inside' }, 'Not sent to clients:', element('ul', {}, ...items))
}
