import { byId } from '/page/element.js'
import { RecordCard } from './record-card.js'

/** What is known of the models, from what was read and from the messages since. */
export class RecordBook {
  #records = new Map()
  /** Who takes which course, as `<course> <user>`. */
  #students = new Set()
  #cards = new Map()
  /** What happened since the page was drawn, by `<identity> <id>`. */
  #verbs = new Map()
  /** Messages about a model that is being read. */
  #held = new Map()
  #isDrawing = false

  add(model) {
    const card = new RecordCard(model, this.#columns()[model.identity])
    this.#records.set(model.identity, new Map())
    this.#cards.set(model.identity, card)
    byId('records').append(card.element)
  }

  /** A model is being read: what arrives meanwhile comes after what was read. */
  hold(identity) {
    if (!this.#held.has(identity)) this.#held.set(identity, [])
  }

  /** Takes the place of all that was known of a model; without records, what was known stays. */
  replace(identity, records) {
    if (records) this.#records.set(identity, new Map(records.map(record => [record.id, record])))
    const held = this.#held.get(identity) ?? []
    this.#held.delete(identity)
    for (const payload of held) this.apply(identity, payload)
    this.#drawSoon()
  }

  /** Takes the place of all that was known of who takes which course. */
  replaceLinks(links) {
    this.#students = new Set(links.map(({ course_students: course, user_courses: user }) => `${course} ${user}`))
    this.#drawSoon()
  }

  apply(identity, payload) {
    const held = this.#held.get(identity)
    if (held) return held.push(payload)
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

  /** Once a frame, however many messages arrive. */
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

/** Both ends tell of a link; a user's pets are known from the pets themselves, and this is no link of a course. */
function linkOf(identity, attribute, id, other) {
  if (identity === 'course' && attribute === 'students') return `${id} ${other}`
  if (identity === 'user' && attribute === 'courses') return `${other} ${id}`
  return undefined
}

const endsOf = link => link.split(' ').map(Number)
