import { expect, test } from 'vitest'
import { liftApp, models, summary } from './fixture.ts'

const pet = { ...models.pet, changefeed: { rooms: () => 'kennel' } }

test.each(['keep', 'replace'])(
  'rooms of the app receive changes of blueprints and of SQL once (%s)',
  async blueprints => {
    const { app, database, connect, settled } = await liftApp({
      config: { definitions: { ...models, pet } },
      changefeed: { blueprints },
    })
    const changes: string[] = []
    app.hooks.changefeed.on('change', ({ operation, record }: { operation: string; record: { name: string } }) =>
      changes.push(`${operation} ${record.name}`),
    )
    const [member, subscriber, actor] = [await connect(), await connect(), await connect()]
    for (const socket of app.io.of('/').sockets.values()) await socket.join('kennel')
    await subscriber.get('/pet')
    await actor.request({ method: 'post', url: '/pet', data: { name: 'rex' } })
    await database.query(`update pet set name = 'max'`)
    await settled(member, subscriber, actor)
    expect(summary(member)).toEqual(['pet created 1', 'pet updated 1'])
    expect(summary(subscriber)).toEqual(['pet created 1', 'pet updated 1'])
    expect(summary(actor)).toEqual(['pet updated 1'])
    expect(changes).toEqual(['insert rex', 'update max'])
  },
)
