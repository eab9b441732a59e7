// One of several servers of the app. It runs no feed: what the listener publishes arrives through the socket.io adapter.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { promisify } from 'node:util'
import { createAdapter } from '@socket.io/postgres-adapter'
import pg from 'pg'
import sailsPostgresql from 'sails-postgresql'
import { Server } from 'socket.io'
import Waterline from 'waterline'
import { createRealtime } from 'waterline-changefeed'
import { models } from './models.mjs'

const connectionString = process.env.DATABASE_URL
const { collections } = await promisify(Waterline.start)({
  adapters: { 'sails-postgresql': sailsPostgresql },
  datastores: { default: { adapter: 'sails-postgresql', url: connectionString } },
  defaultModelSettings: { datastore: 'default', primaryKey: 'id' },
  models,
})

const server = createServer(async (_request, response) => {
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(await readFile(new URL('index.html', import.meta.url)))
})
const io = new Server(server, { allowEIO3: true, adapter: createAdapter(new pg.Pool({ connectionString })) })
createRealtime({ server, io, collections, models: { todo: true } }) // GET /todo subscribes

server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
