import { built } from '../helpers/program.ts'
import { collections } from './write-subjects.ts'

/** Prints what it took to read a backlog: `drained { "seconds", "cpuMs", "memoryMb", "idleMb" }`. */
const measured = (source: string) => `
  import pg from 'pg'
  const memoryMb = () => process.resourceUsage().maxRSS / 1024
  const wanted = Number(process.env.CHANGES)
  let count = 0
  let first
  const next = () => {
    first ??= { at: performance.now(), cpu: process.cpuUsage() }
    if (++count === wanted) finish()
  }
  const finish = () => {
    const { user, system } = process.cpuUsage(first.cpu)
    const seconds = (performance.now() - first.at) / 1000
    console.log('drained ' + JSON.stringify({ seconds, cpuMs: (user + system) / 1000, memoryMb: memoryMb(), idleMb }))
  }
  ${source}`

/** A feed that decodes and maps each change, and counts the events. */
export const feedProgram = measured(`
  const { createChangefeed } = await import(${JSON.stringify(built('index.js'))})
  const collections = ${JSON.stringify(collections)}
  const idleMb = memoryMb()
  const feed = createChangefeed({ connectionString: process.env.URL, collections, publisher: { publish: next } })
  process.on('SIGTERM', () => feed.stop())
  await feed.start()`)

/** Reads pages of a table and parses the rows, which is the least that any reader does. */
export const logTableProgram = measured(`
  const client = new pg.Client(process.env.URL)
  await client.connect()
  const idleMb = memoryMb()
  let last = '0'
  for (let found = 1; found > 0; ) {
    const { rows } = await client.query('select id, row from row_log where id > $1 order by id limit 500', [last])
    for (const { row } of rows) next(JSON.parse(row))
    last = rows.at(-1)?.id ?? last
    found = rows.length
  }
  await client.end()`)
