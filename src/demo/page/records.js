import { byId } from '/page/element.js'
import { RecordCard } from './record-card.js'

/** The client's copy of the records, read once and then updated by messages. */
export class RecordBook {
  #records = new Map()
  /** Links between courses and students, as `<course> <user>`. */
  #students = new Set()
  #cards = new Map()
  /** The last verb since the last draw, by `<identity> <id>`. */
  #verbs = new Map()
  #isDrawing = false

  add(model) {
    const card = new RecordCard(model, this.#columns()[model.identity])
    this.#records.set(model.identity, new Map())
    this.#cards.set(model.identity, card)
    byId('records').append(card.element)
  }

  /** Replaces the records of a model. */
  replace(identity, records) {
    this.#records.set(identity, new Map(records.map(record => [record.id, record])))
    this.#drawSoon()
  }

  /** Replaces all links between courses and students. */
  replaceLinks(links) {
    this.#students = new Set(links.map(({ course_students: course, user_courses: user }) => `${course} ${user}`))
    this.#drawSoon()
  }

  apply(identity, payload) {
    this.#change(identity, payload)
    this.#verbs.set(`${identity} ${payload.id}`, payload.verb)
    this.#drawSoon()
  }

  #change(identity, { verb, id, data, attribute, addedId, removedId }) {
    const records = this.#records.get(identity)
    if (verb === 'created') records.set(id, data)
    if (verb === 'updated' && records.has(id)) records.set(id, { ...records.get(id), ...data })
    if (verb === 'destroyed') this.#forget(identity, id)
    const link = linkOf(identity, attribute, id, addedId ?? removedId)
    if (link && verb === 'addedTo') this.#students.add(link)
    if (link && verb === 'removedFrom') this.#students.delete(link)
  }

  #forget(identity, id) {
    this.#records.get(identity).delete(id)
    const end = { course: 0, user: 1 }[identity]
    for (const link of this.#students) if (endsOf(link)[end] === id) this.#students.delete(link)
  }

  /** Draws at most once per frame. */
  #drawSoon() {
    if (this.#isDrawing) return
    this.#isDrawing = true
    requestAnimationFrame(() => {
      this.#isDrawing = false
      const verbs = this.#verbs
      this.#verbs = new Map()
      for (const [identity, card] of this.#cards) {
        card.draw(this.#records.get(identity).values(), id => verbs.get(`${identity} ${id}`))
      }
    })
  }

  #columns() {
    const find = (identity, id) => this.#records.get(identity).get(id)
    const pets = ({ id }) => [...this.#records.get('pet').values()].filter(({ owner }) => owner === id)
    const linked = (id, mine, theirs) =>
      [...this.#students].map(endsOf).flatMap(ends => (ends[mine] === id ? ends[theirs] : []))
    const courses = ({ id }) => linked(id, 1, 0).flatMap(course => find('course', course)?.title ?? [])
    const students = ({ id }) => linked(id, 0, 1).flatMap(user => find('user', user)?.name ?? [])
    const owner = pet => (pet.owner === null ? null : (find('user', pet.owner)?.name ?? `user ${pet.owner}`))
    return {
      user: [
        ['name', 'text'],
        ['city', 'text'],
        ['pets', 'tags', user => pets(user).map(pet => pet.name)],
        ['courses', 'tags', courses],
      ],
      pet: [
        ['name', 'text'],
        ['kind', 'text'],
        ['owner', 'text', owner],
      ],
      course: [
        ['title', 'text'],
        ['students', 'tags', students],
      ],
      account: [
        ['holder', 'text'],
        ['balance', 'number'],
      ],
    }
  }
}

/** The link of a course and a student in a message of either end. Undefined for other associations. */
function linkOf(identity, attribute, id, other) {
  if (identity === 'course' && attribute === 'students') return `${id} ${other}`
  if (identity === 'user' && attribute === 'courses') return `${other} ${id}`
  return undefined
}

const endsOf = link => link.split(' ').map(Number)
