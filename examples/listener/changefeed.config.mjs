// The settings of `waterline-changefeed install` and `start`. The database is that of DATABASE_URL.
import { defineConfig } from 'waterline-changefeed'
import { models } from './models.mjs'

export default defineConfig({
  definitions: models,
  adapter: 'postgres', // the adapter of the servers, see server.mjs
})
