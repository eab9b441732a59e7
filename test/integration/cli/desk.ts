import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scratchFolder } from '../../helpers/folder.ts'
import { built, startProgram, type TestProgram } from '../../helpers/program.ts'
import { openShop } from '../feed/fixture.ts'
import { type Ran, runHere } from './run-here.ts'

export const DEFINITIONS = `{
  user: {
    attributes: { name: { type: 'string' }, password: { type: 'string' }, pets: { collection: 'pet', via: 'owner' } },
  },
  pet: { attributes: { name: { type: 'string' }, owner: { model: 'user' } } },
}`

export interface Desk {
  readonly folder: string
  /** Starts the program with these arguments in a process of its own. */
  start(...args: string[]): TestProgram
  /** Runs the program to its end, in this process. */
  run(...args: string[]): Promise<Ran>
}

/** A command line in a separate folder. */
export async function desk(env: Record<string, string> = {}, files: Record<string, string> = {}): Promise<Desk> {
  const folder = await scratchFolder()
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const main = fileURLToPath(built('cli/main.js'))
  const clean = { DATABASE_URL: '', CHANGEFEED_HTTP_PORT: 'off', ...env }
  const start = (...args: string[]): TestProgram =>
    startProgram('/bin/sh', ['-c', `cd '${folder}' && exec "$0" "$@"`, process.execPath, main, ...args], clean)
  const run = (...args: string[]) => runHere(args, { folder, env: clean })
  return { run, start, folder }
}

/** As `desk`, with the models and the database of the pet shop. */
export async function shopDesk(config = `export default { definitions: ${DEFINITIONS} }`) {
  const shop = await openShop()
  const at = await desk({ DATABASE_URL: shop.database.connectionString }, { 'changefeed.config.mjs': config })
  return { shop, ...at }
}
