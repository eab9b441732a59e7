import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { defineConfig } from '../../../src/cli/define-config.ts'
import { openShop } from './fixture.ts'

test('a plan prints as text and serializes as data', async () => {
  const { feed } = await openShop()
  const plan = await feed().plan()
  expect(String(plan)).toMatch(/^\+ 0001_change-log\n(.*\n)*\+ pet +"public"\."pet" +not captured yet$/)
  expect(inspect(plan)).toBe(String(plan))
  expect(Object.keys(plan)).toEqual(['migrations', 'capture'])
})

test('defineConfig checks the settings of a config file', () => {
  const settings = { app: '.', models: { user: { omit: ['password'] } } }
  expect(defineConfig(settings)).toBe(settings)
  // @ts-expect-error: there is no such setting
  defineConfig({ redisURL: 'redis://127.0.0.1' })
})
