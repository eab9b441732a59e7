import {
  type Association,
  type Attribute,
  type Collection,
  type Model,
  type Models,
  pluralAssociations,
} from '../../../src/models/model.ts'
import { attributeOf } from '../../helpers/attribute.ts'

const definitions = [
  model('owner', { id: 'number', name: 'string' }, [oneToMany('owner', 'pets', 'pet', 'owner')]),
  model('pet', { id: 'number', name: 'string', owner: 'number', breed: 'number' }, [
    { type: 'model', alias: 'owner', model: 'owner' },
    { type: 'model', alias: 'breed', model: 'breed' },
  ]),
  model('breed', { id: 'number', label: 'string' }, []),
  model('student', { id: 'number', name: 'string' }, [
    {
      ...{ type: 'collection', parent: 'student', alias: 'courses', collection: 'course', inverse: 'students' },
      ...{ oneToMany: false, linkModel: 'course_students__student_courses' },
      ...{ parentAttribute: 'student_courses', childAttribute: 'course_students' },
    },
  ]),
  model('course', { id: 'number', title: 'string' }, [
    {
      ...{ type: 'collection', parent: 'course', alias: 'students', collection: 'student', inverse: 'courses' },
      ...{ oneToMany: false, linkModel: 'course_students__student_courses' },
      ...{ parentAttribute: 'course_students', childAttribute: 'student_courses' },
    },
  ]),
  junction('course_students__student_courses', { course_students: 'course', student_courses: 'student' }),
  model('author', { id: 'number' }, [
    {
      ...{ type: 'collection', parent: 'author', alias: 'favorites', collection: 'book' },
      ...{ oneToMany: false, linkModel: 'author_favorites__book' },
      ...{ parentAttribute: 'author_favorites', childAttribute: 'book_favorites_book' },
    },
  ]),
  model('book', { id: 'number' }, []),
  junction('author_favorites__book', { author_favorites: 'author', book_favorites_book: 'book' }),
  model('driver', { id: 'number' }, [
    {
      ...{ type: 'collection', parent: 'driver', alias: 'taxis', collection: 'taxi', inverse: 'drivers' },
      ...{ oneToMany: false, linkModel: 'venue', parentAttribute: 'driver', childAttribute: 'taxi' },
    },
  ]),
  model('taxi', { id: 'string' }, [
    {
      ...{ type: 'collection', parent: 'taxi', alias: 'drivers', collection: 'driver', inverse: 'taxis' },
      ...{ oneToMany: false, linkModel: 'venue', parentAttribute: 'taxi', childAttribute: 'driver' },
    },
  ]),
  model('venue', { id: 'number', driver: 'number', taxi: 'string' }, [
    { type: 'model', alias: 'driver', model: 'driver' },
    { type: 'model', alias: 'taxi', model: 'taxi' },
  ]),
  model('person', { id: 'number', boss: 'number', mentor: 'number' }, [
    { type: 'model', alias: 'boss', model: 'person' },
    { type: 'model', alias: 'mentor', model: 'person' },
    oneToMany('person', 'reports', 'person', 'boss'),
    oneToMany('person', 'pupils', 'person', 'mentor'),
  ]),
]

/** Models by hand, one for each kind of association: the mapping is tested without Waterline and without a database. */
export const models: Models = new Map(
  definitions.map(each => {
    const stated = definitions.flatMap(pluralAssociations).filter(({ linkModel }) => linkModel === each.identity)
    return [each.identity, { ...each, linkedCollections: stated }]
  }),
)

export function modelOf(identity: string): Model {
  const found = models.get(identity)
  if (!found) throw new Error(`No model ${identity} among the test models`)
  return found
}

type Definition = Omit<Model, 'linkedCollections'>

function model(identity: string, columns: Record<string, Attribute['type']>, associations: Association[]): Definition {
  const attributes = Object.entries(columns).map(([name, type]) => attributeOf({ name, type }))
  return {
    identity,
    datastore: 'default',
    schema: 'public',
    table: identity,
    primaryKey: 'id',
    attributes: new Map(attributes.map(each => [each.name, each])),
    associations,
    readers: 'all',
  }
}

function oneToMany(parent: string, alias: string, collection: string, foreignKey: string): Collection {
  return {
    ...{ type: 'collection', parent, alias, collection, inverse: foreignKey },
    ...{ oneToMany: true, linkModel: collection, parentAttribute: foreignKey, childAttribute: 'id' },
  }
}

function junction(identity: string, foreignKeys: Record<string, string>): Definition {
  const associations = Object.entries(foreignKeys).map(([alias, of]) => ({ type: 'model', alias, model: of }) as const)
  const columns = Object.fromEntries(associations.map(({ alias }) => [alias, 'number'] as const))
  return { ...model(identity, { id: 'number', ...columns }, associations), junction: true }
}
