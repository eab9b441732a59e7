import { EventEmitter, once } from 'node:events'
import { openDatabase } from '../../../src/db/connect.ts'
import type { Finding } from '../../../src/doctor/finding.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { selectModels } from '../../../src/models/selection.ts'
import { type MonitorOptions, startMonitor } from '../../../src/monitor/monitor.ts'
import { parseOptions } from '../../../src/options.ts'
import type { MessageMeta, RecordEvent } from '../../../src/publish/mapping/record-event.ts'
import type { Publisher } from '../../../src/publish/publisher.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openInstalledShop, type Published } from '../feed/fixture.ts'

export const TOKEN = 'a token of some length'

export const FINDING: Finding = {
  check: 'triggers',
  severity: 'error',
  message: 'Model `<b>pet</b>`: a trigger is missing.',
  repair: { command: 'npx waterline-changefeed install', sql: ['select 1'] },
}

export interface FixtureOptions extends Partial<MonitorOptions> {
  /** The publisher of replays. @default `replayed` */
  readonly publisher?: Publisher
}

/** A monitor of the pet shop's feed, which is installed but not started. */
export async function openMonitor({ publisher, ...options }: FixtureOptions = {}) {
  const shop = await openInstalledShop()
  const feed = shop.feed()
  const { connectionString } = shop.database
  const db = openDatabase({ connectionString, applicationName: 'monitor' }, 'changefeed')
  afterScope(() => db.close())
  const settings = parseOptions({ connectionString, collections: shop.collections })
  const models = selectModels(readModels(shop.collections), settings.models)
  const replayed: Published[] = []
  const recorder = { publish: (event: RecordEvent, meta: MessageMeta) => void replayed.push({ event, meta }) }
  const monitor = await startMonitor({
    ...{ feed, db, host: '127.0.0.1', port: 0, lagLimitMs: 30_000, examine: async () => [FINDING] },
    replayTo: { settings, models, publisher: publisher ?? recorder, by: 'the test' },
    ...options,
  })
  afterScope(() => monitor.close())
  const url = `http://127.0.0.1:${monitor.port}`
  const get = (path: string, headers: Record<string, string> = {}) => fetch(url + path, { headers, redirect: 'manual' })
  return { shop, feed, db, monitor, url, get, replayed }
}

/** Blocks on the first message of a replay until it is released. */
export function holdingPublisher() {
  const events = new EventEmitter()
  const [started, letGo] = [once(events, 'started'), once(events, 'letGo')]
  const ids: unknown[] = []
  const publish = async (event: RecordEvent) => {
    ids.push('id' in event && event.id)
    events.emit('started')
    await letGo
  }
  return { publisher: { publish }, ids, started, letGo: () => events.emit('letGo') }
}
