import { type Collection, type ModelRecord, pluralAssociations, type RecordId } from '../../models/model.ts'
import type { Limits } from '../requests/limits.ts'
import { badRequest, forbidden, notFound, tooLarge } from '../requests/refusal.ts'
import type { RealtimeHandler, RealtimeRequest } from '../requests/request.ts'
import { isDictionary } from '../requests/request-data.ts'
import type { Router } from '../requests/router.ts'
import { type OpenModel, type OpenModels, requireAllowed, requireRecordAllowed, type WriteAction } from './access.ts'
import { parseId, type RecordReader } from './record-reader.ts'
import type { RecordWriter } from './record-writer.ts'

export interface WriteRouteOptions {
  readonly open: OpenModels
  readonly reader: RecordReader
  readonly writer: RecordWriter
  readonly limits: Limits
}

/** The writing REST routes of blueprints, for the models and actions that `write` opens. */
export function addWriteRoutes(router: Router, options: WriteRouteOptions): void {
  for (const open of options.open.values()) {
    const path = `/${open.model.identity}`
    const { create, update, destroy } = recordHandlers(open, options)
    const routes: [WriteAction, string, RealtimeHandler][] = [
      ['create', `POST ${path}`, create],
      ['update', `PATCH ${path}/:id`, update],
      ['update', `PUT ${path}/:id`, update],
      ['destroy', `DELETE ${path}/:id`, destroy],
      ...pluralAssociations(open.model).flatMap(collection => collectionRoutes(open, collection, options)),
    ]
    for (const [action, address, handler] of routes) {
      if (open.writes.has(action)) router.add(address, guarded(handler, open, action))
    }
  }
}

type CollectionRoute = [WriteAction, string, RealtimeHandler]

function guarded(handler: RealtimeHandler, open: OpenModel, action: WriteAction): RealtimeHandler {
  return async (req, res) => {
    await requireAllowed(open, req, action)
    await handler(req, res)
  }
}

function recordHandlers(open: OpenModel, options: WriteRouteOptions) {
  const { reader, writer } = options
  const { model } = open
  const create: RealtimeHandler = async (req, res) => {
    const values = valuesOf(req, open, options.limits)
    await requireRecordAllowed(open, req, values, 'create')
    await requireMembers(req, open, values, options)
    const id = await writer.create(req, model, values)
    res.ok(await shown(req, open, id, reader))
  }
  const update: RealtimeHandler = async (req, res) => {
    const id = parseId(req.params.id)
    const record = await permitted(req, open, id, 'update', reader)
    const values = valuesOf(req, open, options.limits)
    await requireRecordAllowed(open, req, { ...record, ...values }, 'update') // the record after the update
    await requireMembers(req, open, values, options)
    if (!(await writer.update(req, model, id, values))) throw notFound(model.identity)
    res.ok(await shown(req, open, id, reader))
  }
  const destroy: RealtimeHandler = async (req, res) => {
    const id = parseId(req.params.id)
    const record = await permitted(req, open, id, 'destroy', reader)
    if (!(await writer.destroy(req, model, id))) throw notFound(model.identity)
    res.ok((await open.allows(req, 'find')) ? reader.presentation(req, open)(record) : undefined)
  }
  return { create, update, destroy }
}

function collectionRoutes(open: OpenModel, collection: Collection, options: WriteRouteOptions): CollectionRoute[] {
  const { reader, writer, limits } = options
  const { model } = open
  const child = options.open.get(collection.collection)
  if (!child) return []
  type Write = (req: RealtimeRequest, id: RecordId) => Promise<void>
  const handler = (action: WriteAction, write: Write): RealtimeHandler => {
    return async (req, res) => {
      const id = parseId(req.params.parentid)
      await permitted(req, open, id, action, reader)
      await write(req, id)
      res.ok(await shown(req, open, id, reader))
    }
  }
  const childOf = async (req: RealtimeRequest) => {
    const id = parseId(req.params.childid)
    await permitted(req, child, id, 'find', reader)
    return id
  }
  const add: Write = async (req, id) => writer.add(req, model, id, collection, await childOf(req))
  const remove: Write = async (req, id) => writer.remove(req, model, id, collection, await childOf(req))
  const replace: Write = async (req, id) => {
    const ids = idsOf(req, limits)
    for (const each of ids) await permitted(req, child, each, 'find', reader)
    await writer.replace(req, model, id, collection, ids)
  }
  const path = `/${model.identity}/:parentid/${collection.alias}`
  return [
    ['replace', `PUT ${path}`, handler('replace', replace)],
    ['add', `PUT ${path}/:childid`, handler('add', add)],
    ['remove', `DELETE ${path}/:childid`, handler('remove', remove)],
  ]
}

/** The record to write to. Throws a `Refusal` if there is none that the request may see and write. */
async function permitted(
  req: RealtimeRequest,
  open: OpenModel,
  id: RecordId,
  action: WriteAction | 'find',
  reader: RecordReader,
): Promise<ModelRecord> {
  if (action === 'find') await requireAllowed(open, req, 'find')
  const record = await reader.findOne(req, open, id)
  if (!record) throw notFound(open.model.identity)
  await requireRecordAllowed(open, req, record, action)
  return record
}

/** The current record. Undefined if the request may write it but not see it. */
async function shown(req: RealtimeRequest, open: OpenModel, id: RecordId, reader: RecordReader) {
  const record = (await open.allows(req, 'find')) ? await reader.findOne(req, open, id) : undefined
  return record && reader.presentation(req, open)(record)
}

/**
 * The writable attributes in the body. Unknown names are ignored, as by blueprints. Protected attributes are rejected, so
 * that the password of a sign-up form is not dropped silently.
 */
function valuesOf(req: RealtimeRequest, open: OpenModel, { listLength }: Limits): ModelRecord {
  if (!isDictionary(req.body)) throw badRequest('The body must be an object with the values of one record.')
  const refused = Object.keys(req.body).find(name => open.protected.has(name))
  if (refused !== undefined) throw badRequest(notWritable(open.model.identity, refused))
  const values = Object.entries(req.body).filter(([name]) => open.writable.has(name))
  for (const { alias } of pluralAssociations(open.model)) {
    const list = req.body[alias]
    if (Array.isArray(list) && list.length > listLength)
      throw tooLarge('listLength', `"${alias}" may have ${listLength} ids.`)
  }
  return Object.fromEntries(values)
}

const notWritable = (identity: string, name: string) =>
  `"${name}" is not writable, because clients do not see its stored value. Nothing was written. Remove it from the request, or list all writable attributes in \`models.${identity}.writable\`.`

/** The request must be able to see records that become members, as in the routes of collections. */
async function requireMembers(
  req: RealtimeRequest,
  { model }: OpenModel,
  values: ModelRecord,
  { open, reader }: WriteRouteOptions,
) {
  for (const { alias, collection } of pluralAssociations(model).filter(({ alias }) => Object.hasOwn(values, alias))) {
    const child = open.get(collection)
    if (!child) throw forbidden()
    const ids = Array.isArray(values[alias]) ? values[alias] : [] // Waterline rejects other values
    for (const id of ids) await permitted(req, child, parseId(id), 'find', reader)
  }
}

function idsOf(req: RealtimeRequest, { listLength }: Limits): RecordId[] {
  if (!Array.isArray(req.body)) throw badRequest('The body must be a list of ids.')
  if (req.body.length > listLength) throw tooLarge('listLength', `A list of ids may have ${listLength} entries.`)
  return req.body.map(parseId)
}
