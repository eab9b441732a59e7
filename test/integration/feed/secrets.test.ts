import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { expect, test } from 'vitest'
import { createChangefeed } from '../../../src/changefeed.ts'
import { classRoom, recordRoom } from '../../../src/publish/socketio/rooms.ts'
import { testDatabase } from '../../helpers/database.ts'
import { connectSailsClient } from '../../helpers/sails-client.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'

const SECRETS = ['omitted-s3cret', 'hidden-s3cret', 'plain-s3cret', 'connection-s3cret']

const account = {
  attributes: {
    name: { type: 'string' },
    /** Omitted by the option `omit`: must not be logged. */
    pin: { type: 'string', columnName: 'pin_code' },
    /** Removed by customToJSON: may be logged, must not be sent. */
    password: { type: 'string' },
    /** Encrypted by Waterline: neither plaintext nor ciphertext may be logged. */
    ssn: { type: 'string', encrypt: true },
    profile: { type: 'json' },
  },
  customToJSON(this: object) {
    const { password: _, ...shown } = this as Record<string, unknown>
    return shown
  },
}

test('no secret appears in the change log, a message, an event or a log line', async () => {
  const database = await testDatabase()
  const role = await database.role({ superuser: true })
  await database.query(`alter role "${role.name}" password 'connection-s3cret'`)
  const url = new URL(role.connectionString)
  url.password = 'connection-s3cret'
  const { collections } = await startWaterline({
    connectionString: database.connectionString,
    models: { account },
    migrate: 'drop',
  })
  const http = createServer()
  const io = new Server(http, { allowEIO3: true, transports: ['websocket'] })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  afterScope(() => io.close())
  const said: string[] = []
  const say = (message: string, fields?: object) => void said.push(`${message} ${JSON.stringify(fields)}`)
  const feed = createChangefeed({
    connectionString: url.href,
    collections,
    io,
    models: { account: { omit: ['pin'] } },
    logger: { error: say, warn: say, info: say, debug: say },
  })
  afterScope(() => feed.stop())
  for (const event of ['change', 'published', 'skipped', 'error', 'gap'] as const) {
    feed.on(event, (payload: unknown) => say(event, payload as object))
  }
  await feed.install()
  await feed.start()
  const client = await connectSailsClient({ port: (http.address() as AddressInfo).port })
  await io.sockets.sockets.get(client.id)?.join([classRoom('account'), recordRoom('account', 1)])

  const [, hidden, plain] = SECRETS
  await collections.account.create({ id: 1, name: 'ada', pin: SECRETS[0], password: hidden, ssn: plain })
  const [{ ssn: ciphertext } = { ssn: '' }] = await database.query<{ ssn: string }>('select ssn from account')
  await database.query(`update account set name = 'eve', ssn = 'changed ' || ssn, pin_code = 'omitted-s3cret 2'`)
  await database.query(`alter table account drop column pin_code`)
  await database.query(`update account set name = 'bob', password = 'hidden-s3cret 2'`)
  await database.query('delete from account')
  await feed.settled()
  await client.messages.count('account', 4)
  const verbs = client.messages.all.map(({ data }) => data.verb).filter(verb => verb !== 'refetch')
  expect(verbs).toEqual(['created', 'updated', 'updated', 'destroyed'])

  const sent = JSON.stringify([client.messages.all, said])
  const logged = JSON.stringify(await database.query('select * from changefeed.change'))
  for (const secret of [...SECRETS, ciphertext]) {
    expect(secret.length).toBeGreaterThan(8)
    expect(sent).not.toContain(secret)
    if (secret !== hidden) expect(logged).not.toContain(secret)
  }
})

test('a column omitted by one model is not logged for another model of the same table', async () => {
  const database = await testDatabase()
  const { connectionString } = database
  await database.query(`create table account (id serial primary key, name text, pin_code text, ssn text)`)
  const models = { account, author: { tableName: 'account', attributes: { name: { type: 'string' } } } }
  const { collections } = await startWaterline({ connectionString, models })
  const feed = createChangefeed({ connectionString, collections, models: { account: { omit: ['pin'] } } })
  await feed.install()
  await database.query(`insert into account (name, pin_code, ssn) values ('ann', 'omitted-s3cret', 'plain-s3cret')`)
  const rows = await database.query<{ new: string }>('select new from changefeed.change')
  expect(rows).toHaveLength(2)
  expect(JSON.stringify(rows)).not.toContain('s3cret')
})
