import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { createChangefeed } from '../../../src/changefeed.ts'
import { readModels } from '../../../src/models/model-map.ts'
import type { ChangefeedOptions } from '../../../src/options.ts'
import type { Publisher } from '../../../src/publish/publisher.ts'
import { socketPublisher } from '../../../src/publish/socketio/socket-publisher.ts'
import { createRealtime } from '../../../src/realtime/realtime.ts'
import { connectSailsClient, type SailsClientOptions } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { installedDatabase, migratedDatabase } from '../feed/fixture.ts'
import { definitions } from './realtime-app.ts'

const COVERED = Object.keys(definitions).filter(name => name !== 'account')

/** Realtime and a change feed on one server, as in an app. */
export async function feedingApp(
  covered = COVERED,
  options: Partial<ChangefeedOptions> = {},
  wrap?: (publisher: Publisher) => Publisher,
) {
  const isInstalled = covered === COVERED && options.models === undefined
  const database = await (isInstalled
    ? installedDatabase('realtime', definitions, { models: COVERED })
    : migratedDatabase())
  const { connectionString } = database
  const migrate = isInstalled ? 'safe' : 'drop'
  const { collections } = await startWaterline({ connectionString, models: definitions, migrate })
  const server = createServer()
  const io = new Server(server, { allowEIO3: true })
  const models = readModels(collections)
  const publisher = wrap ? { publisher: wrap(socketPublisher(io, { models })), publish: 'local' as const } : { io }
  const feed = createChangefeed({ connectionString, collections, models: covered, ...publisher, ...options })
  const write = { write: true } as const
  const realtime = createRealtime({
    io,
    server,
    collections,
    feed,
    models: { owner: write, pet: write, student: write, course: write },
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterScope(() => realtime.close())
  if (!isInstalled) await feed.install()
  await feed.start()
  afterScope(() => feed.stop())
  const connect = (client: Partial<SailsClientOptions> = {}) =>
    connectSailsClient({ port: (server.address() as AddressInfo).port, ...client })
  return { database, collections, feed, realtime, connect }
}
