import { byId, element } from './element.js'

const MOST_ROWS = 60

/** What is known of the models, as told by what was read and by the messages since. */
export function recordBook() {
  const records = new Map(['user', 'pet', 'course', 'account'].map(identity => [identity, new Map()]))
  /** `<course> <user>` */
  const students = new Set()
  const cards = new Map()
  let flashes = new Map()
  let isDrawing = false

  const of = identity => records.get(identity)
  const names = (identity, ids, key) => ids.flatMap(id => of(identity).get(id)?.[key] ?? [])
  const linked = (id, mine, theirs) =>
    [...students].map(link => link.split(' ').map(Number)).flatMap(link => (link[mine] === id ? [link[theirs]] : []))
  const petsOf = id => [...of('pet').values()].filter(({ owner }) => owner === id).map(({ name }) => name)

  const columns = {
    user: [
      ['name', 'text'],
      ['city', 'text'],
      ['pets', 'tags', ({ id }) => petsOf(id)],
      ['courses', 'tags', ({ id }) => names('course', linked(id, 1, 0), 'title')],
    ],
    pet: [
      ['name', 'text'],
      ['kind', 'text'],
      ['owner', 'text', ({ owner }) => (owner === null ? null : (of('user').get(owner)?.name ?? `user ${owner}`))],
    ],
    course: [
      ['title', 'text'],
      ['students', 'tags', ({ id }) => names('user', linked(id, 0, 1), 'name')],
    ],
    account: [
      ['holder', 'text'],
      ['balance', 'number'],
    ],
  }

  const draw = () => {
    isDrawing = false
    for (const [identity, card] of cards) card.draw(of(identity), columns[identity], flashes)
    flashes = new Map()
  }
  const soon = () => {
    if (isDrawing) return
    isDrawing = true
    requestAnimationFrame(draw)
  }
  const link = (course, user, isThere) =>
    isThere ? students.add(`${course} ${user}`) : students.delete(`${course} ${user}`)
  const unlinkAll = (id, end) => {
    for (const each of students) if (Number(each.split(' ')[end]) === id) students.delete(each)
  }

  const apply = {
    created: (identity, { id, data }) => of(identity).set(id, data),
    updated: (identity, { id, data }) => of(identity).set(id, { ...of(identity).get(id), ...data }),
    destroyed(identity, { id }) {
      of(identity).delete(id)
      if (identity === 'course') unlinkAll(id, 0)
      if (identity === 'user') unlinkAll(id, 1)
    },
    addedTo: (identity, { id, attribute, addedId }) => changeMember(identity, attribute, [id, addedId], true),
    removedFrom: (identity, { id, attribute, removedId }) => changeMember(identity, attribute, [id, removedId], false),
  }
  const changeMember = (identity, attribute, [id, other], isThere) => {
    if (identity === 'course' && attribute === 'students') link(id, other, isThere)
    if (identity === 'user' && attribute === 'courses') link(other, id, isThere)
  }

  return {
    addCard({ identity, table, inside }) {
      const card = recordCard({
        identity,
        table,
        inside,
        titles: columns[identity].map(([title, kind]) => [title, kind]),
      })
      cards.set(identity, card)
      byId('records').append(card.element)
    },
    /** Takes the place of all that was known of a model. */
    replace(identity, list) {
      records.set(identity, new Map(list.map(record => [record.id, record])))
      if (identity === 'course') {
        students.clear()
        for (const { id, students: members = [] } of list) for (const user of members) link(id, user.id ?? user, true)
      }
      soon()
    },
    message(identity, payload) {
      apply[payload.verb]?.(identity, payload)
      flashes.set(`${identity} ${payload.id}`, payload.verb)
      soon()
    },
  }
}

function recordCard({ identity, table, inside, titles }) {
  const count = element('span', { className: 'count' })
  const body = element('tbody')
  const head = titles.map(([title, kind]) =>
    element('th', { scope: 'col', className: kind === 'number' ? kind : '' }, title),
  )
  const grid = element(
    'table',
    {},
    element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, 'id'), ...head)),
    body,
  )
  const empty = element(
    'p',
    { className: 'empty', hidden: true },
    `No ${table} left. Insert some, and they appear here.`,
  )
  const more = element('p', { className: 'more aside', hidden: true })
  const title = element('h3', { id: `card-${identity}` }, identity)
  const name = element('span', {}, title, element('span', { className: 'table-name mono' }, table))
  const heading = element('div', { className: 'heading' }, name, count)
  const parts = [heading, element('div', { className: 'scroll' }, grid), empty, more, keptInside(inside)]
  const card = element('section', {
    className: `panel card${titles.length > 3 ? ' wide' : ''}`,
    dataset: { model: identity },
  })
  card.append(...parts.filter(Boolean))
  card.setAttribute('aria-labelledby', title.id)
  const rows = new Map()

  return {
    element: card,
    draw(known, columns, flashes) {
      const all = [...known.values()].sort((a, b) => a.id - b.id)
      const shown = all.slice(-MOST_ROWS)
      const ids = new Set(shown.map(({ id }) => id))
      for (const [id, row] of rows) if (!ids.has(id)) leave(rows, id, row, flashes.get(`${identity} ${id}`))
      let place = body.firstElementChild
      for (const record of shown) {
        const row = rows.get(record.id) ?? element('tr', { dataset: { id: String(record.id) } })
        rows.set(record.id, row)
        fill(row, record, columns)
        while (place?.classList.contains('destroyed')) place = place.nextElementSibling
        if (row === place) place = place.nextElementSibling
        else body.insertBefore(row, place)
        flash(row, flashes.get(`${identity} ${record.id}`))
      }
      count.textContent = all.length === 1 ? '1 record' : `${all.length.toLocaleString('en')} records`
      grid.hidden = all.length === 0 && body.children.length === 0
      empty.hidden = all.length > 0
      more.hidden = all.length === shown.length
      more.textContent = `The last ${shown.length} are shown.`
    },
  }
}

function fill(row, record, columns) {
  const cells = columns.map(([key, kind, value = each => each[key]]) => cell(kind, value(record)))
  row.replaceChildren(element('td', { className: 'id' }, String(record.id)), ...cells)
}

function cell(kind, value) {
  if (value === null || value === undefined || value.length === 0) {
    return element('td', { className: `${kind} none` }, '–')
  }
  if (kind !== 'tags') return element('td', { className: kind }, String(value))
  const tags = value.map(each => element('span', { className: 'tag' }, each))
  return element('td', {}, element('div', { className: 'tags' }, ...tags))
}

function flash(row, verb) {
  if (verb === undefined) return
  row.className = ''
  void row.offsetWidth // lets an animation that runs begin anew
  row.className = verb
}

function leave(rows, id, row, verb) {
  rows.delete(id)
  if (verb !== 'destroyed') return row.remove()
  row.className = verb
  if (row.getAnimations().length === 0) return row.remove()
  row.addEventListener('animationend', () => row.remove(), { once: true })
}

function keptInside(inside) {
  if (!inside) return null
  const items = Object.entries(inside).map(([name, why]) => element('li', {}, element('code', {}, name), ` ${why}`))
  return element('div', { className: 'inside' }, 'Stays in the database:', element('ul', {}, ...items))
}
