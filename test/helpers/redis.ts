import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { eventually } from './eventually.ts'
import { need } from './need.ts'
import { accepts, freePort } from './port.ts'
import { afterScope } from './scope.ts'

export interface TestRedis {
  readonly url: string
  /** Kills it, as a power cut does. */
  stop(): Promise<void>
  /** On the same port. */
  start(): Promise<void>
}

/** A Redis server of one test, in memory only. Ended with the test. */
export async function startRedis(): Promise<TestRedis> {
  const { path, env } = need('redis')
  const port = await freePort()
  let server: ReturnType<typeof spawn> | null = null
  const start = async () => {
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    server = spawn(path, args, { stdio: 'ignore', env: { ...process.env, ...env } })
    await eventually(() => accepts(port))
  }
  const stop = async () => {
    const [gone] = [server]
    server = null
    if (!gone || gone.exitCode !== null) return
    const ended = once(gone, 'exit')
    gone.kill('SIGKILL')
    await ended
  }
  afterScope(stop)
  await start()
  return { url: `redis://127.0.0.1:${port}`, start, stop }
}
