import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import { FeedMetrics } from '../../../src/monitor/metrics.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openMigratedShop } from '../feed/fixture.ts'

test.each([
  ['the Grafana dashboard', 'grafana-dashboard.json', 12],
  ['the alert rules', 'alerts.yml', 8],
])('%s only uses existing metrics', async (_name, file, count) => {
  const shop = await openMigratedShop()
  const { connectionString } = shop.database
  const db = openDatabase({ connectionString, applicationName: 'monitor' }, 'changefeed')
  afterScope(() => db.close())
  const text = await new FeedMetrics(shop.feed(), db).text()
  const known = new Set([...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name))
  const content = await readFile(new URL(`../../../examples/deploy/${file}`, import.meta.url), 'utf8')
  const asked = new Set([...content.matchAll(/(changefeed|nodejs)_\w+/g)].map(([name]) => name.replace(/_bucket$/, '')))
  expect(asked.size).toBeGreaterThan(count)
  expect(asked).toContain('nodejs_eventloop_lag_p99_seconds')
  expect([...asked].filter(name => !known.has(name))).toEqual([])
})
