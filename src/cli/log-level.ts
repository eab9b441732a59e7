/** Separate from the log, so that its packages are loaded only by commands that write one. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'silent'] as const

export type LogLevel = (typeof LOG_LEVELS)[number]
