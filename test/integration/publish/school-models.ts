import type { Association, Attribute, Junction, Model, Models } from '../../../src/models/model.ts'

/** Models by hand, one for each kind of association: the mapping is tested without Waterline and without a database. */
export const models: Models = new Map(
  [
    model('owner', { id: 'number', name: 'string' }, [
      { type: 'collection', alias: 'pets', collection: 'pet', via: 'owner' },
    ]),
    model('pet', { id: 'number', name: 'string', owner: 'number', breed: 'number' }, [
      { type: 'model', alias: 'owner', model: 'owner' },
      { type: 'model', alias: 'breed', model: 'breed' },
    ]),
    model('breed', { id: 'number', label: 'string' }, []),
    model('student', { id: 'number', name: 'string' }, [
      {
        type: 'collection',
        alias: 'courses',
        collection: 'course',
        via: 'students',
        through: 'course_students__student_courses',
      },
    ]),
    model('course', { id: 'number', title: 'string' }, [
      {
        type: 'collection',
        alias: 'students',
        collection: 'student',
        via: 'courses',
        through: 'course_students__student_courses',
      },
    ]),
    junction('course_students__student_courses', [
      { attribute: 'course_students', identity: 'course', alias: 'students' },
      { attribute: 'student_courses', identity: 'student', alias: 'courses' },
    ]),
    model('author', { id: 'number' }, [
      { type: 'collection', alias: 'favorites', collection: 'book', through: 'author_favorites__book' },
    ]),
    model('book', { id: 'number' }, []),
    junction('author_favorites__book', [
      { attribute: 'author_favorites', identity: 'author', alias: 'favorites' },
      { attribute: 'book_favorites_book', identity: 'book' },
    ]),
    model('driver', { id: 'number' }, [
      { type: 'collection', alias: 'taxis', collection: 'taxi', via: 'driver', through: 'venue' },
    ]),
    model('taxi', { id: 'string' }, [
      { type: 'collection', alias: 'drivers', collection: 'driver', via: 'taxi', through: 'venue' },
    ]),
    model('venue', { id: 'number', driver: 'number', taxi: 'string' }, [
      { type: 'model', alias: 'driver', model: 'driver' },
      { type: 'model', alias: 'taxi', model: 'taxi' },
    ]),
    model('person', { id: 'number', boss: 'number', mentor: 'number' }, [
      { type: 'model', alias: 'boss', model: 'person' },
      { type: 'model', alias: 'mentor', model: 'person' },
      { type: 'collection', alias: 'reports', collection: 'person', via: 'boss' },
      { type: 'collection', alias: 'pupils', collection: 'person', via: 'mentor' },
    ]),
  ].map(each => [each.identity, each]),
)

export function modelOf(identity: string): Model {
  const found = models.get(identity)
  if (!found) throw new Error(`No model ${identity} among the test models`)
  return found
}

function model(identity: string, columns: Record<string, Attribute['type']>, associations: Association[]): Model {
  const attributes = Object.entries(columns).map(([name, type]) => attribute(name, type))
  return {
    identity,
    datastore: 'default',
    schema: 'public',
    table: identity,
    primaryKey: 'id',
    attributes: new Map(attributes.map(each => [each.name, each])),
    associations,
  }
}

function junction(identity: string, ends: Junction['ends']): Model {
  const [a, b] = ends
  return {
    ...model(identity, { id: 'number', [a.attribute]: 'number', [b.attribute]: 'number' }, []),
    junction: { ends },
  }
}

function attribute(name: string, type: Attribute['type']): Attribute {
  return { name, column: name, type, encrypt: false, autoTimestamp: false }
}
