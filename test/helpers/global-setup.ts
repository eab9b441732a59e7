import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { findPrerequisites, type Prerequisites } from './prerequisites/find.ts'
import { startTestServer } from './test-server.ts'
import { testSettings } from './test-settings.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser's connection string of the server that all test files share. */
    serverUrl: string
    /** Of the databases that are copied, as others may run tests on the same server. */
    templatePrefix: string
    prerequisites: Prerequisites
  }
}

/**
 * Builds what runs in processes of its own, finds the programs that some tests need, and starts one server for all: an
 * embedded one, or `TEST_DATABASE_URL`.
 */
export default async function setup(project: TestProject) {
  const [prerequisites] = await Promise.all([findPrerequisites(), build()])
  project.provide('prerequisites', prerequisites)
  const templatePrefix = `template_${randomBytes(6).toString('hex')}`
  project.provide('templatePrefix', templatePrefix)
  const url = process.env.TEST_DATABASE_URL
  if (url) {
    await assertFit(url)
    project.provide('serverUrl', url)
    return () => dropTemplates(url, templatePrefix)
  }
  const server = await startTestServer()
  project.provide('serverUrl', server.connectionString)
  return () => server.stop()
}

async function build() {
  try {
    await promisify(execFile)('npm', ['run', '--silent', 'build'])
  } catch (error) {
    // Type errors do not keep the compiler from writing its output; `npm run typecheck` is what fails on them.
    console.warn(`The build reports errors:\n${(error as { stdout: string }).stdout}`)
  }
}

async function dropTemplates(connectionString: string, prefix: string) {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string }>(
      'select datname as name from pg_database where starts_with(datname, $1)',
      [prefix],
    )
    for (const name of rows.map(row => pg.escapeIdentifier(row.name))) {
      await client.query(`alter database ${name} is_template false`)
      await client.query(`drop database ${name} with (force)`)
    }
  } finally {
    await client.end()
  }
}

/** Says at once what else some tests would fail on, one by one. */
async function assertFit(connectionString: string) {
  const client = new pg.Client({ connectionString })
  await client.connect()
  const { rows } = await client
    .query<{ name: string; setting: string }>('select name, setting from pg_settings where name = any($1)', [
      Object.keys(testSettings),
    ])
    .finally(() => client.end())
  const unfit = rows.filter(({ name, setting }) => !isEnough(setting, testSettings[name as keyof typeof testSettings]))
  if (unfit.length === 0) return
  const wanted = unfit.map(({ name }) => `${name}=${testSettings[name as keyof typeof testSettings]}`)
  throw new Error(`the server of TEST_DATABASE_URL must run with ${wanted.join(', ')}`)
}

const isEnough = (setting: string, wanted: string) =>
  Number.isNaN(Number(wanted)) ? setting === wanted : Number(setting) >= Number(wanted)
