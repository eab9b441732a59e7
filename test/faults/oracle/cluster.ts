import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { type Changefeed, createChangefeed } from '../../../src/changefeed.ts'
import type { EmbeddedPostgres } from '../../../src/embedded-postgres/embedded-postgres.ts'
import type { Logger } from '../../../src/logger.ts'
import type { Models } from '../../../src/models/model.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { ownServer, type TestDatabase, testDatabase } from '../../helpers/database.ts'
import type { TestProgram } from '../../helpers/program.ts'
import { type Proxy as DatabaseProxy, startProxy } from '../../helpers/proxy.ts'
import { startRedis, type TestRedis } from '../../helpers/redis.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { redisAdapter } from '../app-server.ts'
import { type Operator, operator } from '../program.ts'
import { type SmallDisk, smallDisk } from '../small-disk.ts'
import { models as definitions, TABLES } from './models.ts'
import { SocketCopy, serveReads } from './socket-copy.ts'

const READY = /The listener is ready/

/** A listener in a process of its own, on a way to the database that can break. */
export interface Node {
  readonly proxy: DatabaseProxy
  readonly desk: Operator
  program: TestProgram
}

/** An app with sockets, and what publishes to them. */
export interface Cluster {
  readonly server: EmbeddedPostgres
  /** Of the server's data; undefined where none can be mounted. */
  readonly disk: SmallDisk | undefined
  readonly database: TestDatabase
  readonly models: Models
  readonly copies: readonly SocketCopy[]
  /** Of the process of the test; not started. */
  readonly feed: Changefeed
  /** Ways to the database of feeds in this process. */
  readonly proxies: readonly DatabaseProxy[]
  /** Empty if the servers of the app publish by themselves. */
  readonly nodes: readonly Node[]
  readonly redis?: TestRedis
  /** Runs commands of the program. */
  readonly desk: Operator
  /** What the publishers of this process logged, the newest last. */
  readonly logged: readonly string[]
}

/** Of the server's data, in memory. */
const DISK_MIB = 4_096

async function openDatabase() {
  const disk = await smallDisk(DISK_MIB)
  const server = await ownServer({ deadlock_timeout: '200ms' }, disk?.folder)
  const database = await testDatabase({ server })
  await database.query(TABLES)
  const { connectionString } = database
  const { collections: all, stop } = await startWaterline({ connectionString, models: definitions })
  await stop()
  const { archive: _, ...collections } = all // Waterline's own
  const options = { connectionString, collections, retentionMs: 3_600_000 }
  const feed = createChangefeed(options)
  await feed.install()
  const desk = await operatorOf(connectionString)
  return { server, disk, database, models: readModels(collections), options, feed, desk }
}

const operatorOf = (DATABASE_URL: string, more: Record<string, string> = {}) =>
  operator(
    { DATABASE_URL, CHANGEFEED_HTTP_PORT: 'off', ...more },
    `export default { definitions: ${JSON.stringify(definitions)}, retentionMs: 3_600_000 }`,
  )

async function listen(): Promise<{ io: Server; port: number }> {
  const http = createServer()
  const io = new Server(http, { transports: ['websocket'] })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  afterScope(() => io.close())
  return { io, port: (http.address() as AddressInfo).port }
}

/** Two listeners, of which one leads, and two servers of an app that share a Redis adapter. */
export async function openRedisCluster(): Promise<Cluster> {
  const { database, models, ...rest } = await openDatabase()
  const redis = await startRedis()
  const copies: SocketCopy[] = []
  for (const name of ['browser 1', 'browser 2']) {
    const { io, port } = await listen()
    io.adapter(await redisAdapter(redis.url))
    serveReads(io, database, models)
    copies.push(new SocketCopy(name, port, models))
  }
  const nodes: Node[] = []
  for (const _ of [1, 2]) {
    const proxy = await startProxy(database.connectionString)
    const desk = await operatorOf(proxy.through(database.connectionString), { CHANGEFEED_REDIS_URL: redis.url })
    nodes.push({ proxy, desk, program: await startNode(desk) })
  }
  return { ...rest, database, models, copies, nodes, proxies: [], redis, logged: [] }
}

export async function startNode(desk: Operator): Promise<TestProgram> {
  const program = desk.run('start')
  await program.line(READY, 60_000)
  return program
}

/** Two servers of an app that publish each to its own sockets, in this process. */
export async function openLocalCluster(): Promise<Cluster> {
  const { database, models, options, ...rest } = await openDatabase()
  const copies: SocketCopy[] = []
  const proxies: DatabaseProxy[] = []
  const logged: string[] = []
  for (const name of ['browser 1', 'browser 2']) {
    const { io, port } = await listen()
    const proxy = await startProxy(database.connectionString)
    const logger = loggerInto(logged, name)
    const feed = createChangefeed({
      ...options,
      connectionString: proxy.through(database.connectionString),
      io,
      logger,
    })
    afterScope(() => feed.stop())
    await feed.start()
    serveReads(io, database, models)
    copies.push(new SocketCopy(name, port, models))
    proxies.push(proxy)
  }
  return { ...rest, database, models, copies, proxies, nodes: [], logged }
}

function loggerInto(lines: string[], name: string): Logger {
  const add = (message: string, fields?: object) =>
    void lines.push(`${new Date().toISOString()} ${name}: ${message} ${JSON.stringify(fields ?? {})}`)
  return { debug() {}, info: add, warn: add, error: add }
}
