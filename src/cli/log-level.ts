/** Apart from the log itself: the packages that it needs are loaded by the commands that write one. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'silent'] as const

export type LogLevel = (typeof LOG_LEVELS)[number]
