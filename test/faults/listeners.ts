import { fileURLToPath } from 'node:url'
import type { MessageMeta, RecordEvent } from '../../src/publish/mapping/record-event.ts'
import { built, startCode, type TestProgram } from '../helpers/program.ts'

export interface Listener {
  readonly program: TestProgram
  /** The events that it published, in order. */
  published(): readonly Published[]
}

interface Published {
  readonly event: RecordEvent
  readonly meta: MessageMeta
  readonly printedAt: number
}

/** A feed in a separate process, which prints published events and its state. Only the leader publishes. */
export function startListener(connectionString: string): Listener {
  const waterline = fileURLToPath(new URL('../helpers/waterline-program.mjs', import.meta.url))
  const program = startCode(
    `
    import { writeSync } from 'node:fs'
    import { createChangefeed } from ${JSON.stringify(built('index.js'))}
    import { startPetShop } from ${JSON.stringify(waterline)}
    // Written synchronously, or events published before a kill would be missing here. A full pipe returns EAGAIN.
    const write = bytes => {
      for (let at = 0; at < bytes.length; ) {
        try {
          at += writeSync(1, bytes, at)
        } catch (error) {
          if (error.code !== 'EAGAIN') throw error
        }
      }
    }
    const print = (what, more = {}) => write(Buffer.from(JSON.stringify({ what, printedAt: Date.now(), ...more }) + '\\n'))
    const collections = await startPetShop(process.env.DIRECT_URL)
    const publisher = { publish: (event, meta) => print('published', { event, meta }) }
    const feed = createChangefeed({ connectionString: process.env.URL, collections, publisher, publish: 'leader' })
    feed.on('leader', leads => print(leads ? 'leads' : 'leads no more'))
    feed.on('skipped', ({ error }) => print('skipped', { message: error.message }))
    feed.on('disconnected', () => print('disconnected'))
    feed.on('error', error => print('error', { message: error.message }))
    await feed.start()
    feed.on('connected', () => print('connected'))
    print('started', { role: feed.status().role })
    process.on('SIGTERM', async () => {
      await feed.stop()
      print('stopped')
      process.exit()
    })`,
    { URL: connectionString, DIRECT_URL: connectionString },
  )
  const published: Published[] = []
  let read = 0
  return {
    program,
    published() {
      for (; read < program.lines.length; read++) {
        const line = program.lines[read] ?? ''
        if (line.startsWith('{"what":"published"')) published.push(JSON.parse(line))
      }
      return published
    },
  }
}
