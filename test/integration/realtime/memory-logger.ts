import type { Logger } from '../../../src/logger.ts'

/** A logger that keeps its lines, as `level message`. */
export function memoryLogger() {
  const lines: string[] = []
  const at = (level: string) => (message: string) => void lines.push(`${level} ${message}`)
  const logger: Logger = { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') }
  return { ...logger, lines }
}
