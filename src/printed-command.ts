/** Completes a subcommand, such as `install --prune`, to a command line for users. */
export type FormatCommand = (command: string) => string

export interface CommandLineParts {
  /** `NODE_ENV`, which selects the configuration of an app. @default that of this process */
  readonly environment?: string | undefined
  /** Flags of every command, such as `--schema`, each followed by its value. */
  readonly flags?: readonly string[]
}

/**
 * The only place that knows how the command line is invoked.
 *
 * @example
 * commandFormatter({ environment: 'production', flags: ['--schema', 'feed'] })('install')
 * // NODE_ENV=production npx waterline-changefeed install --schema feed
 */
export function commandFormatter({
  environment = process.env.NODE_ENV,
  flags = [],
}: CommandLineParts = {}): FormatCommand {
  const variables = environment && environment !== 'development' ? [`NODE_ENV=${quoted(environment)}`] : []
  return command => [...variables, 'npx waterline-changefeed', command, ...flags.map(quoted)].join(' ')
}

/** Quotes for a POSIX shell. */
const quoted = (text: string) => (/^[\w./:@=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)
