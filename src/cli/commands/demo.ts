import { InvalidArgumentError } from 'commander'
import { EXIT } from '../exit-code.ts'
import type { CommandAction } from '../run-command.ts'

interface DemoFlags {
  readonly port: number
  readonly data?: string
  readonly databaseUrl?: string
}

/** Loaded on demand, since no other command needs the demo. */
export const demo: CommandAction<DemoFlags> = async (_settings, { port, data, databaseUrl }) => {
  const { runDemo } = await import('../demo.ts')
  await runDemo({ port, dataDir: data, databaseUrl: databaseUrl === '' ? undefined : databaseUrl })
  return EXIT.ok
}

export function parsePort(text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port < 65_536) return port
  throw new InvalidArgumentError('It must be a port, 0 to 65535.')
}
