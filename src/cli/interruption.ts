import { terminal } from './terminal.ts'

/** Aborted by Ctrl-C, by SIGTERM, and when the reader of our output has gone. For commands that run until then. */
export function interruption(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort())
  process.once('SIGTERM', () => controller.abort())
  terminal.out.on('error', () => controller.abort())
  return controller.signal
}
