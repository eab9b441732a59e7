import { type Command, Option } from 'commander'
import { loadConfigFile } from './config-file.ts'
import { LOG_LEVELS } from './log-level.ts'
import { MODELS_FLAGS, modelsOption } from './models-option.ts'
import { type Given, type ProgramSettings, resolveSettings, type SettingName } from './settings.ts'

interface Flag {
  readonly flags: string
  readonly env: string
  readonly text: string
  /** For help and completion. The settings validate the value, whatever its source. */
  readonly choices?: readonly string[]
}

/** The flag and the environment variable of each setting. Flags take precedence. */
const FLAGS = {
  connectionString: { flags: '--database-url <url>', env: 'DATABASE_URL', text: 'Postgres URL of the primary' },
  schema: { flags: '--schema <name>', env: 'CHANGEFEED_SCHEMA', text: 'our own Postgres schema (default: changefeed)' },
  app: { flags: '--app <folder>', env: 'CHANGEFEED_APP', text: 'Sails app whose models to load (default: here)' },
  models: { flags: MODELS_FLAGS, env: 'CHANGEFEED_MODELS', text: 'only these models' },
  redisUrl: {
    flags: '--redis-url <url>',
    env: 'CHANGEFEED_REDIS_URL',
    text: "Redis of the app's @socket.io/redis-adapter",
  },
  channelPrefix: {
    flags: '--channel-prefix <text>',
    env: 'CHANGEFEED_CHANNEL_PREFIX',
    text: "prefix of the adapter's channels (default: socket.io)",
  },
  adapter: {
    flags: '--adapter <name>',
    env: 'CHANGEFEED_ADAPTER',
    text: 'postgres: publish through @socket.io/postgres-adapter',
    choices: ['postgres'],
  },
  serve: { flags: '--serve', env: 'CHANGEFEED_SERVE', text: 'serve the sockets from this process' },
  port: { flags: '--port <port>', env: 'CHANGEFEED_PORT', text: 'port of served sockets (default: 1337)' },
  host: { flags: '--host <host>', env: 'CHANGEFEED_HOST', text: 'address of served sockets (default: 127.0.0.1)' },
  httpPort: {
    flags: '--http-port <port>',
    env: 'CHANGEFEED_HTTP_PORT',
    text: 'port of health, metrics and status page, or off (default: 9464)',
  },
  httpHost: {
    flags: '--http-host <host>',
    env: 'CHANGEFEED_HTTP_HOST',
    text: 'address of health, metrics and status page (default: 127.0.0.1)',
  },
  token: {
    flags: '--token <text>',
    env: 'CHANGEFEED_TOKEN',
    text: 'required by the status page and metrics; prefer the variable',
  },
  readyLagMs: {
    flags: '--ready-lag-ms <ms>',
    env: 'CHANGEFEED_READY_LAG_MS',
    text: 'maximum lag before /readyz fails (default: 30000)',
  },
  logLevel: {
    flags: '--log-level <level>',
    env: 'CHANGEFEED_LOG_LEVEL',
    text: 'minimum level of log lines (default: info)',
    choices: LOG_LEVELS,
  },
} as const satisfies Partial<Record<SettingName, Flag>>

type FlagName = keyof typeof FLAGS

/** Options of every command: they select the app and the database. */
export const COMMON_FLAGS = ['connectionString', 'schema', 'app'] as const
export const MODEL_FLAGS = [...COMMON_FLAGS, 'models'] as const
export const REPLAY_FLAGS = [...COMMON_FLAGS, 'redisUrl', 'channelPrefix', 'adapter', 'logLevel'] as const
export const PUBLISH_FLAGS = [...MODEL_FLAGS, 'redisUrl', 'channelPrefix', 'adapter', 'logLevel'] as const
export const SERVICE_FLAGS = [
  ...[...PUBLISH_FLAGS, 'serve', 'port', 'host'],
  ...['httpPort', 'httpHost', 'token', 'readyLagMs'],
] as const

const CONFIG_FLAG = '--config <file>'

/** Adds flags and the option for the config file to a command. */
export function addFlags(command: Command, names: readonly FlagName[]): Command {
  for (const name of names) {
    command.addOption(toOption(name, FLAGS[name]))
  }
  const config = 'config file (default: changefeed.config.{ts,mjs,js,cjs} here)'
  return command.addOption(new Option(CONFIG_FLAG, config).env('CHANGEFEED_CONFIG'))
}

function toOption(name: FlagName, { flags, env, text, choices }: Flag): Option {
  const option = name === 'models' ? modelsOption(text) : new Option(flags, text)
  if (choices) option.argChoices = [...choices]
  return option.env(env)
}

/** Flags take precedence over variables, and variables over the file. Throws `E_OPTIONS`. */
export async function readSettings(command: Command): Promise<ProgramSettings> {
  const file = await loadConfigFile(command.opts().config as string | undefined, process.cwd())
  const json = command.opts().json === true
  return resolveSettings(givenSettings(command), file, { commonFlags: commonFlags(command), json })
}

/** The common flags from the command line. Variables need not be repeated, since the next command has them too. */
function commonFlags(command: Command): string[] {
  const common: readonly string[] = [...COMMON_FLAGS.map(name => FLAGS[name].flags), CONFIG_FLAG]
  return command.options
    .filter(({ flags }) => common.includes(flags))
    .flatMap(option => {
      const key = option.attributeName()
      if (command.getOptionValueSource(key) !== 'cli') return []
      const isUrl = option.flags === FLAGS.connectionString.flags
      return [option.long ?? option.flags, isUrl ? '<url>' : String(command.getOptionValue(key))]
    })
}

function givenSettings(command: Command): Map<SettingName, Given> {
  const given = new Map<SettingName, Given>()
  for (const [name, { flags, env }] of Object.entries(FLAGS) as [FlagName, Flag][]) {
    const option = command.options.find(option => option.flags === flags && option.envVar === env)
    const key = option?.attributeName() ?? ''
    const isVariable = command.getOptionValueSource(key) === 'env'
    const value = isVariable && option?.isBoolean() ? switched(env) : command.getOptionValue(key)
    if (!option || value === undefined || (isVariable && value === '')) continue
    given.set(name, { value, from: isVariable ? env : (option.long ?? flags) })
  }
  return given
}

/** commander treats any value of a variable as true for a flag without a value, even `false`. */
function switched(env: string): boolean | string {
  const text = (process.env[env] ?? '').trim().toLowerCase()
  if (/^(true|1|yes|on)$/.test(text)) return true
  return /^(false|0|no|off)$/.test(text) ? false : text
}
