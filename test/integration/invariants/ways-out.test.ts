import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { LogRanges } from '../../../src/catch-up/log-ranges.ts'
import { parseCursor } from '../../../src/change-log/cursor.ts'
import { openDatabase } from '../../../src/db/connect.ts'
import { type Changefeed, type ChangefeedOptions, createChangefeed, type ModelRecord } from '../../../src/index.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { selectModels } from '../../../src/models/selection.ts'
import { parseOptions } from '../../../src/options.ts'
import type { SentEvent } from '../../../src/publish/socketio/sent-event.ts'
import { createRealtime } from '../../../src/realtime/realtime.ts'
import { connectSailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { type ModelDefinition, startWaterline } from '../../helpers/waterline.ts'
import { installedDatabase } from '../feed/fixture.ts'
import { received } from '../realtime/socket-server.ts'

const text = (columnName: string, parts = {}) => ({ type: 'string', allowNull: true, columnName, ...parts })

/** A secret of each kind, by attribute; each has a column of another name. */
const kinds = {
  omitted: text('omitted_column'),
  protected: text('protected_column', { protect: true }),
  encrypted: text('encrypted_column', { encrypt: true }),
  hidden: text('hidden_column'),
}
const withSecrets = {
  name: text('name_column'),
  ...kinds,
}

function customToJSON(this: object): object {
  const { hidden: _, ...shown } = this as ModelRecord
  return { ...shown, added: 'by customToJSON' }
}

const models: Record<string, ModelDefinition> = {
  account: {
    attributes: {
      ...withSecrets,
      notes: { collection: 'note', via: 'account' },
      vaults: { collection: 'vault', via: 'account' },
      safe: { model: 'vault' },
    },
    customToJSON,
  },
  note: { attributes: { ...withSecrets, account: { model: 'account' } }, customToJSON },
  /** Neither published by the feed nor open to clients. */
  vault: { attributes: { name: text('name_column'), closed: text('closed_column'), account: { model: 'account' } } },
}

const SECRET = 's3cret'

const secretsOf = (identity: string) => ({
  name: 'visible',
  ...Object.fromEntries(Object.keys(kinds).map(kind => [kind, `${SECRET} ${identity} ${kind}`])),
})
const closedVault = { name: `${SECRET} name of a vault`, closed: `${SECRET} of a vault` }

/** Attributes that `customToJSON` removes are not part of events, so our server need not remove them again. */
const publicForm = ({ hidden: _, hidden_column: __, ...record }: ModelRecord) => record

/** A record as careless code may pass it: populated, with names of columns, and with an attribute that no model knows. */
function carelessRecord() {
  const columns = Object.values(kinds).map(({ columnName }) => [columnName, `${SECRET} ${columnName}`])
  const own = { id: 1, ...secretsOf('account'), ...Object.fromEntries(columns) }
  const note = { id: 1, ...secretsOf('note'), account: { ...own, vaults: [{ id: 1, ...closedVault }] } }
  return { ...own, notes: [note], vaults: [{ id: 1, ...closedVault }], safe: { id: 1, ...closedVault } }
}

const OF_MODELS: NonNullable<ChangefeedOptions['models']> = {
  account: { omit: ['omitted'], rooms: () => 'room of the app' },
  note: { omit: ['omitted'] },
  vault: false,
}

async function openWorld() {
  const database = await installedDatabase('ways out', models, { models: OF_MODELS })
  const { connectionString } = database
  const { collections } = await startWaterline({ connectionString, models })
  const access = { write: true, omit: ['omitted'] } as const
  const server = createServer()
  const realtime = createRealtime({ server, collections, models: { account: access, note: access }, mirror: true })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterScope(() => realtime.close())
  const options: ChangefeedOptions = {
    connectionString,
    collections,
    populate: true,
    models: OF_MODELS,
  }
  const client = await connectSailsClient({ port: (server.address() as AddressInfo).port })
  /** What the client receives while something happens. */
  const heardDuring = async (action: () => unknown) => {
    await client.get('/account', { populate: 'notes' })
    await client.get('/note')
    client.messages.clear()
    await action()
    return await received(realtime.io, client)
  }
  /** A new account with a note and a vault. */
  const create = async () => {
    const { id } = await collections.account.create(secretsOf('account')).fetch()
    await collections.note.create({ ...secretsOf('note'), account: id })
    const vault = await collections.vault.create({ ...closedVault, account: id }).fetch()
    await collections.account.updateOne({ id }).set({ safe: vault.id })
    return id as number
  }
  /** Runs a feed while rows of all models are written. */
  const write = async (more: Partial<ChangefeedOptions>, watch: (feed: Changefeed) => void = () => {}) => {
    const feed = createChangefeed({ ...options, ...more })
    watch(feed)
    await feed.start()
    await feed.settled()
    const heard = await heardDuring(async () => {
      await create()
      await feed.settled()
      for (const name of ['account', 'note']) {
        await database.query(`update ${name} set name_column = 'visible again', hidden_column = '${SECRET} hidden'`)
      }
      await feed.settled()
      for (const name of ['vault', 'note', 'account']) await database.query(`delete from ${name}`)
      await feed.settled()
    })
    await feed.stop()
    return heard
  }
  return { realtime, client, collections, connectionString, options, heardDuring, create, write }
}

type World = Awaited<ReturnType<typeof openWorld>>

const META = { cursor: 'c', at: 1 }

/** Every way out of the process. Each does all that it can with secrets, and returns what left. */
const waysOut: Readonly<Record<string, (world: World) => Promise<unknown>>> = {
  'messages of a feed with `io`': ({ write, realtime: { io } }) => write({ io }),
  'messages of a feed with `io` that publishes more than our server shows': ({ write, realtime: { io } }) =>
    write({ io, models: ['account', 'note', 'vault'] }),
  'messages of a feed by the publisher of our server': ({ write, realtime: { publisher } }) => write({ publisher }),
  "messages in the app's own rooms": async ({ write, client, realtime }) => {
    await realtime.sockets.join(client.id, 'room of the app')
    const heard = await write({ io: realtime.io })
    await realtime.sockets.leave(client.id, 'room of the app')
    return heard
  },
  'events `change` and `published`': async ({ write }) => {
    const left: unknown[] = []
    await write({}, feed => {
      feed.on('change', change => left.push(change))
      feed.on('published', published => left.push(published))
    })
    return left
  },
  'named consumers': async ({ write, options }) => {
    await write({})
    const end = new AbortController()
    const left: unknown[] = []
    for await (const item of createChangefeed(options).consume({ name: 'one', from: 'oldest', signal: end.signal })) {
      left.push(item)
      if ('operation' in item && item.operation === 'delete' && item.identity === 'account') end.abort()
    }
    return left
  },
  'publish functions of the models': ({ heardDuring, collections: { account, note }, realtime }) =>
    heardDuring(async () => {
      const record = carelessRecord()
      realtime.publisher.publish({ verb: 'refetch', identity: 'vault', reason: 'bulk' }, META)
      account.publishCreate(record)
      account.publishUpdate(1, record, undefined, { previous: record })
      account.publishAdd(1, 'notes', { ...record.notes[0] })
      account.publishAdd(1, 'vaults', { id: 1, ...closedVault })
      note.publishCreate(record.notes[0])
      account.publishDestroy(1, undefined, { previous: record })
    }),
  'events that another feed passes to the publisher of our server': ({ heardDuring, realtime: { publisher } }) =>
    heardDuring(async () => {
      const { notes, ...own } = carelessRecord()
      const [note = {}] = notes.map((each: ModelRecord) => ({
        ...publicForm(each),
        account: publicForm(each.account as ModelRecord),
      }))
      const record = { ...publicForm(own), notes: [note] }
      const account = { identity: 'account', id: 1 } as const
      const reverse = [{ verb: 'updated', identity: 'note', id: 1, changes: note }] as const
      await publisher.publish({ verb: 'created', ...account, record, reverse }, META)
      await publisher.publish({ verb: 'updated', ...account, changes: record, previous: record }, META)
      await publisher.publish({ verb: 'addedTo', ...account, alias: 'notes', childId: 1, added: note }, META)
      const added = { id: 1, ...closedVault }
      await publisher.publish({ verb: 'addedTo', ...account, alias: 'vaults', childId: 1, added }, META)
      await publisher.publish({ verb: 'created', identity: 'unknown', id: 1, record, reverse }, META)
      await publisher.publish({ verb: 'destroyed', ...account, previous: record }, META)
    }),
  'responses of reading routes': async ({ create, client }) => {
    const id = await create()
    const all = ['/account', `/account/${id}`, `/account/${id}/notes`, '/note', `/account/${id}/vaults`, '/vault']
    const plain = await Promise.all(all.map(url => client.get(url)))
    const populated = await Promise.all(
      ['notes', 'vaults', 'safe'].map(populate => client.get('/account', { populate })),
    )
    const chosen = await client.get('/account', { select: Object.keys(kinds).join() })
    return [...plain, ...populated, chosen].map(({ body }) => body)
  },
  'responses and messages of writing routes': async ({ heardDuring, client, create }) => {
    const [id, other] = [await create(), await create()]
    const bodies: unknown[] = []
    const heard = await heardDuring(async () => {
      for (const [method, url, data] of [
        ['patch', `/account/${id}`, { name: 'visible', safe: null }],
        ['put', `/account/${id}/notes`, []],
        ['post', '/note', { name: 'visible', account: id }],
        ['delete', `/account/${other}`, {}],
      ] as const) {
        // biome-ignore lint/suspicious/noExplicitAny: a list as body
        bodies.push((await client[method](url, data as any)).body)
      }
    })
    return [heard, bodies]
  },
  'conditions of queries': async ({ create, client }) => {
    await create()
    const names = [...Object.keys(kinds), ...Object.values(kinds).map(({ columnName }) => columnName)]
    const where = names.map(name => ({ [name]: { startsWith: SECRET } }))
    const answers = await Promise.all([
      ...where.map(each => client.get('/account', { where: each })),
      ...names.map(sort => client.get('/account', { sort })),
    ])
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(answers.map(() => 400))
    return [answers.map(({ body }) => body), 'visible']
  },
  'ranges of the log that are worked out again': async ({
    write,
    options,
    connectionString,
    realtime: { publisher },
  }) => {
    const first = await write({ publisher })
    const settings = parseOptions({ ...options, publisher })
    const db = openDatabase({ connectionString, applicationName: 'test' }, settings.schema)
    afterScope(() => db.close())
    const ranges = new LogRanges({
      db,
      settings,
      models: selectModels(readModels(options.collections), settings.models),
      sentBy: (event, meta) => publisher.sent?.(event, meta) as SentEvent,
      ...{ concurrentReads: 1, memoryBytes: 1e6, maxMessages: 100, onRange: () => {} },
    })
    afterScope(() => ranges.close())
    const left: unknown[] = []
    const after = parseCursor(first[0]?.meta.cursor)
    for await (const { sent } of ranges.read({ after, inclusive: true })) left.push(...sent)
    return left
  },
}

test.for(Object.entries(waysOut))('no secret leaves by way of %s', { timeout: 30_000 }, async ([, run]) => {
  const world = await openWorld()
  const left = JSON.stringify(await run(world))
  expect(left).toContain('visible')
  expect(left.match(/s3cret[\w ]*|"\w+_column"/g) ?? []).toEqual([])
})
