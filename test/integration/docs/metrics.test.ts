import { expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connect.ts'
import { FeedMetrics } from '../../../src/monitor/metrics.ts'
import { afterScope } from '../../helpers/scope.ts'
import { openShop } from '../feed/fixture.ts'
import { page, prose } from './pages.ts'

test('the page on operations lists the metrics', async () => {
  const shop = await openShop()
  const { connectionString } = shop.database
  const db = openDatabase({ connectionString, applicationName: 'test' }, 'changefeed')
  afterScope(() => db.close())
  const text = await new FeedMetrics(shop.feed(), db).text()
  const metrics = [...text.matchAll(/^# TYPE changefeed_(\w+)/gm)].map(([, name]) => name)
  const [section = ''] = /^## Metrics\n[\s\S]*?^`nodejs/m.exec(prose(await page('docs/operations.md'))) ?? []
  const cells = [...section.matchAll(/^\| (`.*?) \|/gm)].map(([, cell = '']) => cell)
  const named = cells.flatMap(cell => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name))
  expect(named.sort()).toEqual(metrics.sort())
})
