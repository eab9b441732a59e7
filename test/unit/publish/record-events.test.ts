import { describe, expect, test } from 'vitest'
import type { ModelRecord, RecordId } from '../../../src/models/model.ts'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { affectedModels, recordEvents } from '../../../src/publish/mapping/record-events.ts'
import { relatedRowsNeeds } from '../../../src/publish/mapping/related-rows.ts'
import type { RowChange } from '../../../src/publish/mapping/row-change.ts'
import { modelOf, models } from '../../integration/publish/school-models.ts'

const inserted = (identity: string, row: ModelRecord, record = row): RowChange => ({
  model: modelOf(identity),
  operation: 'insert',
  new: row,
  record,
  changed: new Set(),
})

const deleted = (identity: string, row: ModelRecord, previous = row): RowChange => ({
  model: modelOf(identity),
  operation: 'delete',
  old: row,
  previous,
  changed: new Set(),
})

const updated = (identity: string, old: ModelRecord, changes: ModelRecord): RowChange => {
  const row = { ...old, ...changes }
  const changed = new Set(Object.keys(changes).filter(key => old[key] !== changes[key]))
  return { model: modelOf(identity), operation: 'update', old, new: row, previous: old, record: row, changed }
}

const truncated = (identity: string): RowChange => ({
  model: modelOf(identity),
  operation: 'truncate',
  changed: new Set(),
})

/** One readable line per event: `owner 1 pets +4`, `pet 4 created`. */
function line(event: RecordEvent): string[] {
  switch (event.verb) {
    case 'created':
      return [...event.reverse.flatMap(line).map(text => `(${text})`), `${event.identity} ${event.id} created`]
    case 'updated':
      return [`${event.identity} ${event.id} ${JSON.stringify(event.changes)}${event.previous ? ' previous' : ''}`]
    case 'destroyed':
      return [`${event.identity} ${event.id} destroyed`]
    case 'addedTo':
      return [`${event.identity} ${event.id} ${event.alias} +${event.childId}`]
    case 'removedFrom':
      return [`${event.identity} ${event.id} ${event.alias} -${event.childId}`]
    case 'refetch':
      return [`${event.identity} refetch ${event.reason}`]
  }
}

/** The results of the lookups of a change. `left`: remaining members by collection of the destroyed record. */
function related(change: RowChange, left: Record<string, RecordId[]>, complete = true) {
  return relatedRowsNeeds(change, models).map(need => ({ need, members: left[need.collection.alias] ?? [], complete }))
}

const events = (change: RowChange, left: Record<string, RecordId[]> = {}, complete = true) =>
  recordEvents(change, { models, related: related(change, left, complete) })

const lines = (...args: Parameters<typeof events>) => events(...args).flatMap(line)

const rex = { id: 1, name: 'rex', owner: 1, breed: 9 }

describe('one-to-many', () => {
  const cases: [string, RowChange, string[]][] = [
    ['a parent', inserted('owner', { id: 3, name: 'eve' }), ['owner 3 created']],
    [
      'a child, after addedTo on its parent',
      inserted('pet', { ...rex, id: 4 }),
      ['(owner 1 pets +4)', 'pet 4 created'],
    ],
    ['a child without parent', inserted('pet', { ...rex, owner: null }), ['pet 1 created']],
    ['a scalar', updated('pet', rex, { name: 'max' }), ['pet 1 {"id":1,"name":"max"} previous']],
    ['nothing', updated('pet', rex, {}), ['pet 1 {"id":1} previous']],
    [
      'another parent',
      updated('pet', rex, { owner: 2 }),
      ['owner 1 pets -1', 'owner 2 pets +1', 'pet 1 {"id":1,"owner":2} previous'],
    ],
    [
      'no parent any more',
      updated('pet', rex, { owner: null }),
      ['owner 1 pets -1', 'pet 1 {"id":1,"owner":null} previous'],
    ],
    [
      'a first parent',
      updated('pet', { ...rex, owner: null }, { owner: 2 }),
      ['owner 2 pets +1', 'pet 1 {"id":1,"owner":2} previous'],
    ],
    [
      'a one-way parent, without events for it',
      updated('pet', rex, { breed: 8 }),
      ['pet 1 {"id":1,"breed":8} previous'],
    ],
    ['a destroyed child', deleted('pet', rex), ['pet 1 destroyed', 'owner 1 pets -1']],
    ['the target of a one-way association', deleted('breed', { id: 9, label: 'pug' }), ['breed 9 destroyed']],
    [
      'another primary key',
      updated('pet', rex, { id: 7 }),
      ['pet 1 destroyed', 'owner 1 pets -1', '(owner 1 pets +7)', 'pet 7 created'],
    ],
    ['id 0 is an id', inserted('pet', { ...rex, id: 0, owner: 0 }), ['(owner 0 pets +0)', 'pet 0 created']],
  ]
  test.each(cases)('%s', (_name, change, expected) => expect(lines(change)).toEqual(expected))

  test('children that still reference a destroyed parent are updated', () => {
    const gone = deleted('owner', { id: 1, name: 'ann' })
    expect(lines(gone, { pets: [1, 2] })).toEqual(['owner 1 destroyed', 'pet 1 {"owner":null}', 'pet 2 {"owner":null}'])
    expect(relatedRowsNeeds(gone, models)).toMatchObject([
      { model: { identity: 'pet' }, attribute: 'owner', value: 1, member: 'id', parent: { identity: 'owner' } },
    ])
  })

  test('more children than the lookup limit receive refetch', () =>
    expect(lines(deleted('owner', { id: 1 }), { pets: [1] }, false)).toEqual(['owner 1 destroyed', 'pet refetch bulk']))

  test('a parent with a changed primary key updates its children as a destroyed one does', () =>
    expect(lines(updated('owner', { id: 1 }, { id: 5 }), { pets: [1] })).toEqual([
      'owner 1 destroyed',
      'pet 1 {"owner":null}',
      'owner 5 created',
    ]))

  test('nothing is looked up for changes without dangling references', () =>
    expect(
      [inserted('owner', { id: 1 }), updated('owner', { id: 1 }, { name: 'a' }), deleted('pet', rex)].flatMap(change =>
        relatedRowsNeeds(change, models),
      ),
    ).toEqual([]))
})

describe('links in a table of their own', () => {
  const link = { id: 1, course_students: 3, student_courses: 2 }
  const favorite = { id: 1, author_favorites: 1, book_favorites_book: 3 }
  const venue = { id: 5, driver: 2, taxi: '7' }
  const cases: [string, RowChange, string[]][] = [
    [
      'a new link, for both ends',
      inserted('course_students__student_courses', link),
      ['student 2 courses +3', 'course 3 students +2'],
    ],
    [
      'a deleted link, for both ends',
      deleted('course_students__student_courses', link),
      ['student 2 courses -3', 'course 3 students -2'],
    ],
    [
      'an updated link',
      updated('course_students__student_courses', link, { course_students: 4 }),
      ['student 2 courses -3', 'student 2 courses +4', 'course 3 students -2', 'course 4 students +2'],
    ],
    ['an update of a link that changes nothing', updated('course_students__student_courses', link, {}), []],
    ['a half-empty link', inserted('course_students__student_courses', { ...link, student_courses: null }), []],
    ['only the end with a collection', inserted('author_favorites__book', favorite), ['author 1 favorites +3']],
    [
      'the record of a through model too',
      inserted('venue', venue),
      ['driver 2 taxis +7', 'taxi 7 drivers +2', 'venue 5 created'],
    ],
    ['... destroyed', deleted('venue', venue), ['venue 5 destroyed', 'driver 2 taxis -7', 'taxi 7 drivers -2']],
    [
      '... moved to another driver',
      updated('venue', venue, { driver: 3 }),
      [
        'driver 2 taxis -7',
        'driver 3 taxis +7',
        'taxi 7 drivers -2',
        'taxi 7 drivers +3',
        'venue 5 {"id":5,"driver":3} previous',
      ],
    ],
    ['... with one end only', inserted('venue', { ...venue, taxi: null }), ['venue 5 created']],
  ]
  test.each(cases)('%s', (_name, change, expected) => expect(lines(change)).toEqual(expected))

  test('members of a destroyed record receive removedFrom', () => {
    expect(lines(deleted('student', { id: 1 }), { courses: [1, 2] })).toEqual([
      'student 1 destroyed',
      'course 1 students -1',
      'course 2 students -1',
    ])
    expect(lines(deleted('driver', { id: 1 }), { taxis: [4] })).toEqual(['driver 1 destroyed', 'taxi 4 drivers -1'])
  })

  test('no events if the far end has no collection', () => {
    expect(relatedRowsNeeds(deleted('author', { id: 1 }), models)).toEqual([])
    expect(relatedRowsNeeds(deleted('book', { id: 1 }), models)).toEqual([])
  })

  test('if the feed has one end only, a link is published for both, and no links of a destroyed record are looked up', () => {
    const link = 'course_students__student_courses'
    const selected = new Map([...models].filter(([identity]) => identity === 'student' || identity === link))
    const added = recordEvents(inserted(link, { id: 1, course_students: 3, student_courses: 2 }), { models: selected })
    expect(added.flatMap(line)).toEqual(['student 2 courses +3', 'course 3 students +2'])
    expect(relatedRowsNeeds(deleted('student', { id: 1 }), selected)).toEqual([])
    expect(relatedRowsNeeds(deleted('student', { id: 1 }), models)).toHaveLength(1)
  })
})

describe('two associations over one model', () => {
  const eve = { id: 3, boss: 1, mentor: 2 }
  const cases: [string, RowChange, string[]][] = [
    ['created', inserted('person', eve), ['(person 1 reports +3)', '(person 2 pupils +3)', 'person 3 created']],
    [
      'both changed',
      updated('person', eve, { boss: 2, mentor: 1 }),
      [
        'person 1 reports -3',
        'person 2 reports +3',
        'person 2 pupils -3',
        'person 1 pupils +3',
        'person 3 {"id":3,"boss":2,"mentor":1} previous',
      ],
    ],
    ['destroyed', deleted('person', eve), ['person 3 destroyed', 'person 1 reports -3', 'person 2 pupils -3']],
  ]
  test.each(cases)('%s', (_name, change, expected) => expect(lines(change)).toEqual(expected))

  test('each child is updated with the right foreign key', () =>
    expect(lines(deleted('person', { id: 1, boss: null, mentor: null }), { reports: [3], pupils: [4] })).toEqual([
      'person 1 destroyed',
      'person 3 {"boss":null}',
      'person 4 {"mentor":null}',
    ]))
})

describe('the content of events', () => {
  test('an update contains visible changed attributes by attribute name', () => {
    const old = { id: 1, name: 'rex', owner: null, breed: null }
    const change = {
      ...updated('pet', old, { name: 'max' }),
      previous: { id: 1, shout: 'REX!' },
      record: { id: 1, shout: 'MAX!' },
    }
    expect(events(change)).toEqual([
      {
        verb: 'updated',
        identity: 'pet',
        id: 1,
        changes: { id: 1, shout: 'MAX!' },
        previous: { id: 1, shout: 'REX!' },
      },
    ])
  })

  test('a created record and its id are unchanged, other ids are cast as the model declares', () => {
    expect(events(inserted('pet', { ...rex, id: '4', owner: '1' }))).toEqual([
      {
        verb: 'created',
        identity: 'pet',
        id: '4',
        record: { ...rex, id: '4', owner: '1' },
        reverse: [{ verb: 'addedTo', identity: 'owner', id: 1, alias: 'pets', childId: 4 }],
      },
    ])
    expect(events(deleted('pet', { ...rex, id: '9007199254740993', owner: null }))).toMatchObject([
      { id: '9007199254740993' },
    ])
  })

  test('addedTo is a separate event if publishCreate cannot see the hidden foreign key', () =>
    expect(lines(inserted('pet', rex, { id: 1, name: 'rex' }))).toEqual(['owner 1 pets +1', 'pet 1 created']))

  test('a row without a primary key is rejected', () =>
    expect(() => events(inserted('pet', { name: 'x' }))).toThrow(expect.objectContaining({ code: 'E_DECODE' })))
})

describe('whole tables', () => {
  test('truncate: refetch for the model and for models that lost members', () => {
    expect(lines(truncated('pet'))).toEqual(['pet refetch truncate', 'owner refetch bulk'])
    expect(lines(truncated('owner'))).toEqual(['owner refetch truncate', 'pet refetch bulk'])
    expect(lines(truncated('course_students__student_courses'))).toEqual([
      'student refetch bulk',
      'course refetch bulk',
    ])
  })

  test.each([
    ['pet', ['pet', 'owner']],
    ['owner', ['owner', 'pet']],
    ['breed', ['breed']],
    ['person', ['person']],
    ['student', ['student', 'course']],
    ['course_students__student_courses', ['student', 'course']],
    ['author', ['author']],
    ['author_favorites__book', ['author']],
    ['venue', ['venue', 'driver', 'taxi']],
    ['driver', ['driver', 'taxi']],
  ])('missing changes of %s affect the clients of %j', (identity, affected) =>
    expect(affectedModels(modelOf(identity), models)).toEqual(affected),
  )
})
