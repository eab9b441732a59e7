import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Server } from 'socket.io'
import { createChangefeed } from '../../../src/changefeed.ts'
import { createRealtime } from '../../../src/realtime/realtime.ts'
import type { TestDatabase } from '../../helpers/database.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { migratedDatabase } from '../feed/fixture.ts'

const name = { type: 'string', allowNull: true }

export const MODELS = {
  user: { attributes: { name, pets: { collection: 'pet', via: 'owner' } } },
  pet: { attributes: { name, owner: { model: 'user' } } },
}

export interface Node {
  readonly port: number
  /** Serves a text at an address such as `GET /`. */
  route(address: string, type: string, text: string): void
  /** Ends it, and starts it again on another port. */
  restart(): Promise<void>
  /** What was committed before has been published. */
  settled(): Promise<void>
  /** From now on the feed publishes each change so late. */
  delay(ms: number): void
}

/** A database with the models' tables. */
export async function appDatabase() {
  const database = await migratedDatabase()
  const { connectionString } = database
  const { collections, stop } = await startWaterline({ connectionString, models: MODELS, migrate: 'drop' })
  await database.query('alter table pet add foreign key (owner) references "user" on delete set null')
  const feed = createChangefeed({ connectionString, collections })
  await feed.install()
  await feed.stop()
  await stop()
  return database
}

/** A process of the app: realtime and a feed on its own sockets. Call it outside of a test that restarts it. */
export async function startNode({ connectionString }: TestDatabase): Promise<Node> {
  const { collections } = await startWaterline({ connectionString, models: MODELS })
  const start = async () => {
    const http = createServer()
    const io = new Server(http, { allowEIO3: true })
    const feed = createChangefeed({ connectionString, collections, io })
    const realtime = createRealtime({ io, server: http, collections, feed, models: { user: true, pet: true } })
    await feed.start()
    await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
    const { port } = http.address() as AddressInfo
    return { port, feed, realtime, stop: () => Promise.all([io.close(), feed.stop()]) }
  }
  let running = await start()
  afterScope(() => running.stop())
  return {
    get port() {
      return running.port
    },
    route: (address, type, text) =>
      running.realtime.route(address, (_req, res) => res.set('content-type', type).send(text)),
    async restart() {
      await running.stop()
      running = await start()
    },
    settled: () => running.feed.settled(),
    delay: ms => {
      running.feed.onChange(async ({ meta }) => {
        await sleep(Math.max(0, meta.at + ms - Date.now())) // the artificial lag
      })
    },
  }
}
