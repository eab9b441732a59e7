import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scratchFolder } from '../helpers/folder.ts'
import { built, startProgram, type TestProgram } from '../helpers/program.ts'

/** The models of the pet shop as in a config file. */
const CONFIG = `
export default {
  definitions: {
    user: {
      attributes: { name: { type: 'string' }, password: { type: 'string' }, pets: { collection: 'pet', via: 'owner' } },
    },
    pet: { attributes: { name: { type: 'string' }, owner: { model: 'user' } } },
  },
}`

export interface Operator {
  /** Starts the program with these arguments in the folder of the config file. */
  run(...args: string[]): TestProgram
}

/** Runs the program in a folder with a config file. */
export async function operator(env: Readonly<Record<string, string>>, config = CONFIG): Promise<Operator> {
  const folder = await scratchFolder()
  await writeFile(join(folder, 'changefeed.config.mjs'), config)
  const main = fileURLToPath(built('cli/main.js'))
  const shell = `cd ${JSON.stringify(folder)} && exec "$0" "$@"`
  return { run: (...args) => startProgram('/bin/sh', ['-c', shell, process.execPath, main, ...args], env) }
}
