import { ChangefeedError, type ErrorCode } from '../errors.ts'

/** Exit codes of the commands, as listed by `waterline-changefeed --help`. */
export const EXIT = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  database: 3,
  notReady: 4,
  problems: 5,
} as const

export const EXIT_CODES_HELP = `
Exit codes:
  0  done
  1  an unexpected error
  2  a flag, variable or setting is missing or wrong
  3  the database cannot be reached, or refuses
  4  not installed, or a model or table cannot be captured
  5  doctor or audit found problems`

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  E_OPTIONS: EXIT.usage,
  E_USAGE: EXIT.usage,
  E_CONNECT: EXIT.database,
  E_POOLER: EXIT.database,
  E_PRIVILEGE: EXIT.database,
  E_SCHEMA_OWNER: EXIT.database,
  E_STANDBY: EXIT.database,
  E_VERSION: EXIT.database,
  E_NOT_INSTALLED: EXIT.notReady,
  E_MODEL: EXIT.notReady,
  E_LOCKED: EXIT.notReady,
}

export const exitCodeOf = (error: unknown): number =>
  (error instanceof ChangefeedError ? BY_CODE[error.code] : undefined) ?? EXIT.unexpected
