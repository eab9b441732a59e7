import { type Model, pluralAssociations, type RecordId } from '../../models/model.ts'

/** The room of the sockets that receive `created` of a model. */
export const classRoom = (identity: string) => `sails_model_create_${identity}`

/** The room of the subscribers of one record. */
export const recordRoom = (identity: string, id: RecordId) => `sails_model_${identity}_${id}:${identity}`

/** The room of the subscribers of one kind of message about a record, as in Sails v0.12: `update`, `add:pets`, ... */
export const contextRoom = (identity: string, id: RecordId, context: string) =>
  `sails_model_${identity}_${id}:${context}`

/**
 * The models that a room of any kind may belong to. Names and ids may contain underscores, so every prefix that could be a
 * name is included.
 */
export function identitiesOfRoom(room: string): string[] {
  if (!room.startsWith('sails_model_')) return []
  const subject = room.slice('sails_model_'.length)
  const isOfClass = subject.startsWith('create_') ? [subject.slice('create_'.length)] : []
  const nameAndId = subject.slice(0, Math.max(0, subject.lastIndexOf(':')))
  return [...isOfClass, ...[...nameAndId.matchAll(/_/g)].map(({ index }) => nameAndId.slice(0, index))]
}

/** The contexts of a model's records. */
export function contextsOf(model: Model): string[] {
  const collections = pluralAssociations(model)
  return ['update', 'destroy', 'message', ...collections.flatMap(({ alias }) => [`add:${alias}`, `remove:${alias}`])]
}

/** The id, as text, in the name of a record room of this model. Undefined for any other room. */
export function idInRoom(identity: string, room: string): string | undefined {
  const [head, tail] = [`sails_model_${identity}_`, `:${identity}`]
  const fits = room.startsWith(head) && room.endsWith(tail) && room.length >= head.length + tail.length
  return fits ? room.slice(head.length, room.length - tail.length) : undefined
}
