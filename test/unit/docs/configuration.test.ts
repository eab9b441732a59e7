import { expect, test } from 'vitest'
import { createProgram } from '../../../src/cli/program.ts'
import { OF_THE_FEED, definition as programSchema } from '../../../src/cli/settings.ts'
import type { ModelOptions } from '../../../src/models/selection.ts'
import { schema as feedSchema } from '../../../src/options.ts'
import type { ModelAccess } from '../../../src/realtime/blueprints/access.ts'
import { schema as realtimeSchema } from '../../../src/realtime/realtime-options.ts'
import { DEFAULT_LIMITS } from '../../../src/realtime/requests/limits.ts'
import { own as hookSchema, type SailsChangefeedConfig } from '../../../src/sails/hook/settings.ts'
import { onlyCode, page, tableRows } from '../../integration/docs/pages.ts'

/** Options that are only types have their names here: the compiler compares them. */
const HOOK: Record<keyof SailsChangefeedConfig, true> = {
  install: true,
  blueprints: true,
  duplicateWindowMs: true,
  listener: true,
  connectionString: true,
  connection: true,
  schema: true,
  schemaOwner: true,
  models: true,
  publish: true,
  populate: true,
  compatibility: true,
  noopUpdates: true,
  capture: true,
  retentionMs: true,
  backlogLimitBytes: true,
  catchUp: true,
  lockTimeoutMs: true,
  maxBufferedBytes: true,
}
const MODEL: Record<keyof ModelOptions, true> = {
  omit: true,
  include: true,
  noopUpdates: true,
  capture: true,
  rooms: true,
}
const ACCESS: Record<keyof ModelAccess, true> = {
  policy: true,
  recordPolicy: true,
  watch: true,
  write: true,
  writable: true,
  searchable: true,
  omit: true,
  include: true,
}
const FEED_IN_PROGRAM = Object.fromEntries([...OF_THE_FEED].map(name => [name, true as const]))

type Place = 'hook' | 'library' | 'program' | 'realtime'

/** The default of each option, by its name; undefined where there is none, or none that is a value. */
type Defaults = Record<string, unknown>

const EXPECTED: Record<Place, Defaults> = {
  hook: { ...only(HOOK, defaultsOf(feedSchema)), ...defaultsOf(hookSchema), ...ofModels(MODEL) },
  library: { ...defaultsOf(feedSchema), ...ofModels(MODEL) },
  program: { ...only(FEED_IN_PROGRAM, defaultsOf(feedSchema)), ...defaultsOf(programSchema), ...ofModels(MODEL) },
  realtime: {
    ...defaultsOf(realtimeSchema),
    ...ofModels(ACCESS),
    ...Object.fromEntries(Object.entries(DEFAULT_LIMITS).map(([name, value]) => [`limits.${name}`, value])),
  },
}

interface Row {
  readonly name: string
  readonly places: readonly string[]
  readonly flag: string | undefined
  readonly variable: string | undefined
  readonly default: string
}

const rows: Row[] = tableRows(await page('docs/configuration.md')).flatMap(cells => {
  const [name = '', places = '', flag = '', variable = '', text = '', meaning] = cells
  if (meaning === undefined) return []
  return [
    {
      name: onlyCode(name) ?? name,
      places: places.split(', '),
      flag: onlyCode(flag),
      variable: onlyCode(variable),
      default: text,
    },
  ]
})

test.each(Object.keys(EXPECTED) as Place[])('the table has the options of the %s, each once', place => {
  const named = rows.filter(({ name, places }) => places.includes(place) && name !== 'config file')
  expect(named.map(({ name }) => name).sort()).toEqual(Object.keys(EXPECTED[place]).sort())
})

test('defaults are those of the source', () => {
  const wrong = rows.flatMap(row =>
    row.places.flatMap(place => {
      const expected = EXPECTED[place as Place]?.[row.name]
      return fits(row.default, expected)
        ? []
        : [`${row.name} (${place}): ${row.default}, not ${JSON.stringify(expected)}`]
    }),
  )
  expect(wrong).toEqual([])
})

test('flags and variables of settings are those of the commands', () => {
  const taken = createProgram().commands.flatMap(({ options }) =>
    options.flatMap(({ long, envVar }) => (envVar === undefined ? [] : [`${long} ${envVar}`])),
  )
  const named = rows.flatMap(({ flag, variable }) => (flag || variable ? [`${flag} ${variable}`] : []))
  expect(named.sort()).toEqual([...new Set(taken)].sort())
})

test('a flag stands beside the setting that it sets', () => {
  const kebab = (name: string) => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
  const odd = rows.filter(({ name, flag }) => flag !== undefined && flag !== `--${kebab(name)}`)
  expect(odd.map(({ name, flag }) => `${name} ${flag}`)).toEqual([
    'connectionString --database-url',
    'config file --config',
  ])
})

interface ObjectSchema {
  readonly shape: Readonly<Record<string, { safeParse(value: unknown): { success: boolean; data?: unknown } }>>
}

/** What each option becomes where it is not given. */
function defaultsOf({ shape }: ObjectSchema): Defaults {
  return Object.fromEntries(
    Object.entries(shape).map(([name, option]) => {
      const { data } = option.safeParse(undefined)
      return [name, typeof data === 'object' && !Array.isArray(data) ? undefined : data]
    }),
  )
}

function only(names: Readonly<Record<string, true>>, defaults: Defaults): Defaults {
  return Object.fromEntries(Object.entries(defaults).filter(([name]) => Object.hasOwn(names, name)))
}

function ofModels(names: Readonly<Record<string, true>>): Defaults {
  return Object.fromEntries(Object.keys(names).map(name => [`models.<model>.${name}`, undefined]))
}

/** A default that is a value stands in backticks, and words are for what is none. */
function fits(text: string, expected: unknown): boolean {
  const code = onlyCode(text)
  if (code === undefined) return expected === undefined && text !== ''
  return JSON.stringify(new Function(`return ${code}`)()) === JSON.stringify(expected)
}
