import { Writable } from 'node:stream'
import pino from 'pino'
import pretty from 'pino-pretty'
import type { Logger } from '../logger.ts'
import type { LogLevel } from './log-level.ts'
import type { Hide } from './secrets.ts'

export interface LogOptions {
  readonly level: LogLevel
  readonly hide: Hide
  readonly to: NodeJS.WriteStream
}

/** JSON lines, or coloured lines on a terminal. Secrets are removed. */
export function createLog({ level, hide, to }: LogOptions): Logger {
  const hidden = new Writable({
    decodeStrings: false,
    write(line, _encoding, done) {
      to.write(hide(String(line)), () => done())
    },
  })
  const target = to.isTTY
    ? pretty({ destination: hidden, colorize: to.hasColors(), ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' })
    : hidden
  const serializers = { error: pino.stdSerializers.err } // JSON.stringify shows nothing of an Error
  return asLogger(pino({ level, base: { pid: process.pid }, serializers }, target))
}

/** pino takes the fields first. */
function asLogger(log: pino.Logger): Logger {
  const at = (level: 'error' | 'warn' | 'info' | 'debug') => (message: string, fields?: object) =>
    fields ? log[level](fields, message) : log[level](message)
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') }
}
