import type { Command } from 'commander'
import { ChangefeedError } from '../errors.ts'
import { colours } from './colours.ts'
import { exitCodeOf } from './exit-code.ts'
import { readSettings } from './flags.ts'
import { hider } from './secrets.ts'
import type { ProgramSettings } from './settings.ts'
import { note, printJson } from './terminal.ts'

const LINGER_MS = 1_000

export type CommandAction<Flags> = (settings: ProgramSettings, flags: Flags, args: readonly string[]) => Promise<number>

/**
 * Makes an action of a command out of a function that gets the settings and gives the exit code. `load` imports it, as
 * each command needs other packages and a process runs one. What it throws is
 * told in a sentence, or with `--json` as `{ error: { code, message } }`; only what nobody expects shows where it comes from.
 */
export function action<Flags>(load: () => Promise<CommandAction<Flags>>) {
  return async (...given: unknown[]) => {
    const command = given.at(-1) as Command
    let settings: ProgramSettings | undefined
    try {
      settings = await readSettings(command)
      const run = await load()
      process.exitCode = await run(settings, command.opts() as Flags, command.processedArgs.flat() as string[])
    } catch (error) {
      if (command.opts().json === true) printJson(errorAsData(error, settings))
      else note(describe(error, settings))
      process.exitCode = exitCodeOf(error)
    }
    setTimeout(() => process.exit(), LINGER_MS).unref() // what a library has left open must not keep us
  }
}

/** What `--json` prints of an error. `code` is null for one that nobody expects. */
export function errorAsData(error: unknown, settings: ProgramSettings | undefined) {
  const hide = hider(secretsOf(settings))
  const { code } = error instanceof ChangefeedError ? error : { code: null }
  return { error: { code, message: hide(error instanceof Error ? error.message : String(error)) } }
}

export function describe(error: unknown, settings: ProgramSettings | undefined): string {
  const hide = hider(secretsOf(settings))
  const text = error instanceof ChangefeedError ? error.message : error instanceof Error ? error.stack : String(error)
  const code = error instanceof ChangefeedError ? ` ${colours.dim(`[${error.code}]`)}` : ''
  return `${colours.red('error')} ${hide(text ?? '')}${code}`
}

/** Variables as well: an error may speak of them before the settings are there. */
export function secretsOf(settings: ProgramSettings | undefined): (string | undefined)[] {
  const { DATABASE_URL, CHANGEFEED_REDIS_URL, CHANGEFEED_TOKEN, PGPASSWORD } = process.env
  return [
    ...[DATABASE_URL, CHANGEFEED_REDIS_URL, CHANGEFEED_TOKEN, PGPASSWORD],
    ...[settings?.connectionString, settings?.redisUrl, settings?.token],
  ]
}
