import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scratchFolder } from '../../helpers/folder.ts'
import { built, startProgram, type TestProgram } from '../../helpers/program.ts'
import { openShop } from '../feed/fixture.ts'

export const DEFINITIONS = `{
  user: {
    attributes: { name: { type: 'string' }, password: { type: 'string' }, pets: { collection: 'pet', via: 'owner' } },
  },
  pet: { attributes: { name: { type: 'string' }, owner: { model: 'user' } } },
}`

export interface Desk {
  readonly folder: string
  /** Starts the program with these arguments. */
  start(...args: string[]): TestProgram
  /** Runs it to its end. `text`: its output on stdout and stderr. */
  run(...args: string[]): Promise<{ readonly code: number | null; readonly text: string }>
}

/** A command line in a separate folder. */
export async function desk(env: Record<string, string> = {}, files: Record<string, string> = {}): Promise<Desk> {
  const folder = await scratchFolder()
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const main = fileURLToPath(built('cli/main.js'))
  const clean = { DATABASE_URL: '', CHANGEFEED_HTTP_PORT: 'off', ...env }
  const start = (...args: string[]): TestProgram =>
    startProgram('/bin/sh', ['-c', `cd '${folder}' && exec "$0" "$@"`, process.execPath, main, ...args], clean)
  const run = async (...args: string[]) => {
    const program = start(...args)
    const { code } = await program.ended
    return { code, text: program.lines.join('\n') }
  }
  return { run, start, folder }
}

/** As `desk`, with the models and the database of the pet shop. */
export async function shopDesk(config = `export default { definitions: ${DEFINITIONS} }`) {
  const shop = await openShop()
  const at = await desk({ DATABASE_URL: shop.database.connectionString }, { 'changefeed.config.mjs': config })
  return { shop, ...at }
}
