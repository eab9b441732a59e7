import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { testSettings } from './test-settings.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser's connection string of the server that all test files share. */
    serverUrl: string
  }
}

/** One server for the whole run: `TEST_DATABASE_URL`, or an embedded one. */
export default async function setup(project: TestProject) {
  const url = process.env.TEST_DATABASE_URL
  if (url) return project.provide('serverUrl', url)
  const server = await startEmbeddedPostgres({ settings: testSettings })
  project.provide('serverUrl', server.connectionString)
  return () => server.stop()
}
