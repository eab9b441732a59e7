import { type ModelRecord, type Models, pluralAssociations, type RecordId } from '../../models/model.ts'
import { memberKey } from '../../publish/socketio/recent-subscriptions.ts'
import { recordRoom } from '../../publish/socketio/rooms.ts'

/** The answer of a reading blueprint. */
export interface BlueprintAnswer {
  /** `find`, `findOne`, `populate`; undefined for other actions. */
  readonly blueprint: string | undefined
  /** Identity of the model. */
  readonly model: string
  /** Of `populate`: the record, and its association. */
  readonly parentId?: RecordId
  readonly alias?: string
  readonly body: unknown
}

/** The keys of the members in the collections that the answer of a blueprint shows. */
export function membersShown({ blueprint, model, parentId, alias, body }: BlueprintAnswer, models: Models): string[] {
  const { primaryKey = 'id' } = models.get(model) ?? {}
  if (blueprint === 'find' || blueprint === 'findOne') return membersOf([body].flat(), model, models)
  if (blueprint !== 'populate' || parentId === undefined || alias === undefined) return []
  return membersOf([{ [primaryKey]: parentId, [alias]: body }], model, models)
}

function membersOf(records: readonly unknown[], identity: string, models: Models): string[] {
  const model = models.get(identity)
  if (!model) return []
  return records.filter(isRecord).flatMap(record => {
    const room = recordRoom(identity, record[model.primaryKey] as RecordId)
    return pluralAssociations(model).flatMap(({ alias, collection }) => {
      const { primaryKey = 'id' } = models.get(collection) ?? {}
      const members = [record[alias]].flat().filter(isRecord)
      return members.map(member => memberKey(room, alias, member[primaryKey]))
    })
  })
}

const isRecord = (value: unknown): value is ModelRecord => value !== null && typeof value === 'object'
