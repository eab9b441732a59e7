import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRealtime, type Realtime } from '../../../src/realtime/realtime.ts'
import type { RealtimeOptions } from '../../../src/realtime/realtime-options.ts'
import { copiedDatabase, testDatabase } from '../../helpers/database.ts'
import { connectSailsClient, type SailsClientOptions } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { type ModelDefinition, startWaterline } from '../../helpers/waterline.ts'
import { memoryLogger } from './memory-logger.ts'
import { received } from './socket-server.ts'

const name = { type: 'string', allowNull: true }

/** Owners and pets, students and courses, and accounts with secrets. */
export const definitions: Record<string, ModelDefinition> = {
  owner: { attributes: { name, pets: { collection: 'pet', via: 'owner' } } },
  pet: { attributes: { name, age: { type: 'number', allowNull: true }, owner: { model: 'owner' } } },
  student: { attributes: { name, courses: { collection: 'course', via: 'students' } } },
  course: { attributes: { name, students: { collection: 'student', via: 'courses' } } },
  account: {
    attributes: {
      email: { type: 'string', required: true, unique: true },
      password: name,
      ssn: { type: 'string', encrypt: true, allowNull: true },
      note: { ...name, columnName: 'note_col' },
      updatedAt: { type: 'number', autoUpdatedAt: true },
    },
    customToJSON() {
      const { password, ...shown } = this as Record<string, unknown>
      return shown
    },
  },
}

/** A Waterline app on its own database, with realtime on a plain HTTP server. */
export async function realtimeApp(options: Partial<RealtimeOptions> = {}, models = definitions) {
  const isUsual = models === definitions
  const { connectionString } = await (isUsual ? databaseOfApp() : testDatabase())
  const { collections } = await startWaterline({ connectionString, models, migrate: isUsual ? 'safe' : 'drop' })
  const served = await serve({ collections, ...options })
  return { ...served, collections }
}

const databaseOfApp = () =>
  copiedDatabase('tables of realtime', async connectionString => {
    const { stop } = await startWaterline({ connectionString, models: definitions, migrate: 'drop' })
    await stop()
  })

/** Realtime on a plain HTTP server, listening until the test ends. */
export async function serve(options: Omit<RealtimeOptions, 'server'>) {
  const server = createServer()
  const logger = memoryLogger()
  const realtime = createRealtime({ server, logger, ...options })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  afterScope(() => realtime.close())
  const { port } = server.address() as AddressInfo
  const connect = async (client: Partial<SailsClientOptions> = {}) => {
    const connected = await connectSailsClient({ port, ...client })
    return Object.assign(connected, { received: () => receivedLines(realtime, connected) })
  }
  const url = `http://127.0.0.1:${port}`
  return { realtime, server, logger, port, url, connect }
}

async function receivedLines({ io }: Realtime, client: Parameters<typeof received>[1]) {
  return (await received(io, client)).map(({ event, data }) => `${event} ${JSON.stringify(data)}`)
}
