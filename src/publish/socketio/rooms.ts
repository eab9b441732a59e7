import type { Model, RecordId } from '../../models/model.ts'

/** The room of everyone who watches a model for new records. */
export const classRoom = (identity: string) => `sails_model_create_${identity}`

/** The room of everyone who is subscribed to one record. Id 0 has a room of its own, as any other. */
export const recordRoom = (identity: string, id: RecordId) => `sails_model_${identity}_${id}:${identity}`

/** The room of those who chose one kind of message about a record, as v0.12 lets them: `update`, `add:pets`, ... */
export const contextRoom = (identity: string, id: RecordId, context: string) =>
  `sails_model_${identity}_${id}:${context}`

/**
 * The models that a room may be one of, for any of its kinds. Names and ids may contain underscores, so every beginning that
 * could be a name counts.
 */
export function identitiesOfRoom(room: string): string[] {
  if (!room.startsWith('sails_model_')) return []
  const subject = room.slice('sails_model_'.length)
  const isOfClass = subject.startsWith('create_') ? [subject.slice('create_'.length)] : []
  const nameAndId = subject.slice(0, Math.max(0, subject.lastIndexOf(':')))
  return [...isOfClass, ...[...nameAndId.matchAll(/_/g)].map(({ index }) => nameAndId.slice(0, index))]
}

/** The contexts that a model has. */
export function contextsOf(model: Model): string[] {
  const collections = model.associations.filter(({ type }) => type === 'collection')
  return ['update', 'destroy', 'message', ...collections.flatMap(({ alias }) => [`add:${alias}`, `remove:${alias}`])]
}

/** The id, as text, that a record room of this model is for; undefined for any other room. */
export function idInRoom(identity: string, room: string): string | undefined {
  const [head, tail] = [`sails_model_${identity}_`, `:${identity}`]
  const fits = room.startsWith(head) && room.endsWith(tail) && room.length >= head.length + tail.length
  return fits ? room.slice(head.length, room.length - tail.length) : undefined
}
