import { type Association, type ModelRecord, targetOf } from '../../models/model.ts'
import { notFound } from '../requests/refusal.ts'
import type { RealtimeHandler, RealtimeResponse } from '../requests/request.ts'
import type { Router } from '../requests/router.ts'
import type { OpenModel, OpenModels } from './access.ts'
import { requireAllowed } from './access.ts'
import { parseCriteria } from './criteria.ts'
import { parseId, type RecordReader } from './record-reader.ts'
import { type SubscribedReadOptions, subscribedRead } from './subscribed-read.ts'

/** Response header with the feed's cursor before the rows were read. */
export const CURSOR_HEADER = 'changefeed-cursor'

export interface ReadRouteOptions extends SubscribedReadOptions {
  readonly open: OpenModels
  readonly reader: RecordReader
}

/** `GET /user`, `GET /user/1` and `GET /user/1/pets` of every open model. The requesting socket is subscribed. */
export function addReadRoutes(router: Router, options: ReadRouteOptions): void {
  for (const open of options.open.values()) {
    const path = `/${open.model.identity}`
    router.add(`GET ${path}`, listing(open, options))
    router.add(`GET ${path}/:id`, single(open, options))
    for (const association of open.associations) {
      const child = options.open.get(targetOf(association))
      if (child) router.add(`GET ${path}/:parentid/${association.alias}`, members(open, association, child, options))
    }
  }
}

function listing(open: OpenModel, options: ReadRouteOptions): RealtimeHandler {
  const { reader, limits } = options
  return async (req, res) => {
    await requireAllowed(open, req, 'find')
    const criteria = parseCriteria(req, open, limits)
    const present = reader.presentation(req, open)
    const own = await reader.classRooms(req, [open.model.identity])
    const associated = await reader.classRooms(req, associatedWith(open))
    const roomsOf = (records: readonly ModelRecord[]) =>
      records.length > 0 ? [...own, ...associated, ...reader.recordRooms(open, records)] : own
    const read = () => reader.find(req, open, criteria)
    const membersOf = (records: readonly ModelRecord[]) => reader.memberKeys(open, records)
    const { shown, cursor } = await subscribedRead(req, { read, roomsOf, membersOf }, options)
    answer(res, cursor).ok(shown.map(present))
  }
}

function single(open: OpenModel, options: ReadRouteOptions): RealtimeHandler {
  const { reader } = options
  return async (req, res) => {
    await requireAllowed(open, req, 'find')
    const id = parseId(req.params.id)
    const present = reader.presentation(req, open)
    const associated = await reader.classRooms(req, associatedWith(open))
    const read = async () => {
      const record = await reader.findOne(req, open, id)
      if (!record) throw notFound(open.model.identity)
      return record
    }
    const roomsOf = (record: ModelRecord) => [...associated, ...reader.recordRooms(open, [record])]
    const membersOf = (record: ModelRecord) => reader.memberKeys(open, [record])
    const { shown, cursor } = await subscribedRead(req, { read, roomsOf, membersOf }, options)
    answer(res, cursor).ok(present(shown))
  }
}

function members(
  open: OpenModel,
  association: Association,
  child: OpenModel,
  options: ReadRouteOptions,
): RealtimeHandler {
  const { reader, limits } = options
  return async (req, res) => {
    await requireAllowed(open, req, 'find')
    await requireAllowed(child, req, 'find')
    const id = parseId(req.params.parentid)
    const criteria = parseCriteria(req, child, limits)
    const present = reader.presentation(req, child)
    const associated = await reader.classRooms(req, associatedWith(open))
    const read = async () => {
      const parent = await reader.findOne(req, open, id, { bare: true })
      const found = parent && (await reader.members(req, open, id, association, criteria))
      if (!found || (association.type === 'model' && found.length === 0))
        throw notFound(`${open.model.identity} with ${association.alias}`)
      return { parent, found }
    }
    const roomsOf = ({ parent, found }: Awaited<ReturnType<typeof read>>) => [
      ...associated,
      ...reader.recordRooms(open, [{ [open.model.primaryKey]: parent[open.model.primaryKey] }]),
      ...reader.recordRooms(child, found),
    ]
    const membersOf = ({ parent, found }: Awaited<ReturnType<typeof read>>) =>
      reader.memberKeys(open, [{ ...parent, [association.alias]: found }])
    const { shown, cursor } = await subscribedRead(req, { read, roomsOf, membersOf }, options)
    const presented = shown.found.map(present)
    answer(res, cursor).ok(association.type === 'model' ? presented[0] : presented)
  }
}

const associatedWith = ({ associations }: OpenModel) => [...new Set(associations.map(targetOf))]

function answer(res: RealtimeResponse, cursor: string | undefined): RealtimeResponse {
  return cursor === undefined ? res : res.set(CURSOR_HEADER, cursor)
}
