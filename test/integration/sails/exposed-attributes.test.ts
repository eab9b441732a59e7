import { beforeAll, expect, test } from 'vitest'
import type { Models } from '../../../src/models/model.ts'
import { readModels } from '../../../src/models/model-map.ts'
import { warnOfExposedAttributes } from '../../../src/sails/hook/exposed-attributes.ts'
import type { SailsApp } from '../../../src/sails/hook/sails-app.ts'
import { testDatabase } from '../../helpers/database.ts'
import { startWaterline } from '../../helpers/waterline.ts'
import { definitions } from '../realtime/realtime-app.ts'

let models: Models
beforeAll(async () => {
  const { connectionString } = await testDatabase()
  models = readModels((await startWaterline({ connectionString, models: definitions })).collections)
})

function warnings(app: { hooks?: object; config?: object }, of: Iterable<string> = models.keys()) {
  const lines: string[] = []
  const log = { warn: (line: string) => lines.push(line) }
  const sails = { config: {}, hooks: { blueprints: {}, pubsub: {} }, log, ...app } as unknown as SailsApp
  warnOfExposedAttributes(
    sails,
    [...of].flatMap(identity => models.get(identity) ?? []),
  )
  return lines
}

test('hidden attributes that blueprints publish are logged once, with model and attribute', () => {
  expect(warnings({})).toEqual([
    expect.stringContaining(
      "account.password (hidden or changed by customToJSON), account.ssn (encrypted). Set `changefeed.blueprints` to 'replace'",
    ),
  ])
})

test('nothing is logged if blueprints do not publish or no attribute is hidden', () => {
  expect(warnings({ hooks: { pubsub: {} } })).toEqual([])
  expect(warnings({ hooks: { blueprints: {} } })).toEqual([])
  expect(warnings({ config: { blueprints: { rest: false, shortcuts: false } } })).toEqual([])
  expect(warnings({}, ['owner', 'pet'])).toEqual([])
})
