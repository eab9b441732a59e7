import { expect, test } from 'vitest'
import { createChangefeed } from '../../../src/changefeed.ts'
import { openDatabase } from '../../../src/db/connect.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { pauseModels, resumeModels } from '../../../src/pipeline/pauses.ts'
import type { RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import { testDatabase } from '../../helpers/database.ts'
import { eventOf, eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { ClientCopy, tableContents } from './client-copy.ts'
import { models, RECORDS, randomOf, seeds, writesOf } from './collection-writes.ts'

const STEPS = 80

test.each(seeds)(
  'all client copies of records and members converge to the tables: seed %i',
  { timeout: 60_000 },
  async seed => {
    const random = randomOf(seed)
    const database = await testDatabase()
    const { connectionString } = database
    const { collections } = await startWaterline({ connectionString, models, migrate: 'drop' })
    const known = readModels(collections)
    const copies = Array.from({ length: 3 }, () => new ClientCopy(database, known))
    const heard: RecordEvent[] = []
    const publisher = {
      async publish(event: RecordEvent) {
        heard.push(event)
        if (random.chance(0.05)) await random.of(copies).read()
        await Promise.all(copies.map(copy => copy.hear(event)))
      },
    }
    const newFeed = () => createChangefeed({ connectionString, collections, publisher, publish: 'leader' })
    let feed = newFeed()
    afterScope(() => feed.stop())
    const operator = openDatabase({ connectionString, applicationName: 'operator' }, 'changefeed')
    afterScope(() => operator.close())
    for (const table of RECORDS)
      await database.query(`insert into ${table} (id, name) values (1, 'a'), (2, 'b'), (3, 'c')`)
    await feed.install()
    await feed.start()
    await Promise.all(copies.map(copy => copy.read()))

    const paused = new Set<string>()
    const resume = async () => {
      if (paused.size === 0) return
      const gap = eventOf(feed, 'gap', { withinMs: 20_000 })
      await resumeModels(operator, [...paused])
      await gap
      paused.clear()
    }
    const restart = async () => {
      await feed.stop()
      feed = newFeed()
      await feed.start()
    }
    for (let step = 0; step < STEPS; step++) {
      for (const statements of writesOf(random)) {
        await database.query(['begin', ...statements, 'commit'].join(';'))
        if (random.chance(0.2)) await random.of(copies).read()
      }
      if (random.chance(0.1)) await feed.settled()
      if (random.chance(0.04)) {
        const identity = random.of([...known.keys()])
        await pauseModels(operator, [identity])
        paused.add(identity)
      }
      if (random.chance(0.08)) await resume()
      if (random.chance(0.02)) await restart()
    }
    await resume()
    await feed.settled()
    // The last resumption may take effect after the last change. Its refetch is not a change that settled() waits for.
    await eventually(async () => {
      const expected = await tableContents(database, known)
      for (const copy of copies) expect(copy.contents).toEqual(expected)
    })
    expect(heard.length).toBeGreaterThan(STEPS / 4)
  },
)
