import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { Account } from './account.ts'

/**
 * A program that does not outlive this process, however it ends. A shell starts a background watcher and then becomes
 * the program, so that the program's pid is known. The watcher waits on a pipe from this process. When the pipe closes
 * without a message, this process is gone, and the watcher ends the program and removes its temporary folder.
 */
export class GuardedProcess {
  readonly #child: ChildProcess
  readonly #lastLines: string[] = []
  readonly exited: Promise<void>

  constructor(program: string, args: readonly string[], options: GuardOptions) {
    this.#child = spawn('/bin/sh', ['-c', GUARD, 'guard', options.removeAfter ?? '', program, ...args], {
      cwd: '/',
      // A separate session, so that Ctrl-C reaches only this process, which stops the program after draining.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      // English messages, and none of our PGDATA, PGPORT and so on.
      env: { PATH: process.env.PATH, LC_ALL: 'C', ...(process.env.TZ && { TZ: process.env.TZ }) },
      ...options.account.ids,
    })
    this.exited = this.#end()
    this.#watcher.on('error', () => {}) // the watcher may already be gone
    this.#collect(options.onLine)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /**
   * Our end of the pipe. The program's stdin cannot be used, since Node destroys it on exit before anything is written.
   */
  get #watcher(): Socket {
    return this.#child.stdio[3] as Socket
  }

  get exitCode(): number | null {
    return this.#child.exitCode
  }

  /** The last lines of output, for error messages. */
  get lastOutput(): string {
    return this.#lastLines.join('\n')
  }

  /** Lets this process exit while the program runs. The guard then ends the program. */
  unref() {
    this.#child.unref()
    this.#watcher.unref()
    ;(this.#child.stderr as Socket | null)?.unref()
  }

  /** Sends each signal in turn until the program has ended, waiting the given time after each. */
  async end(signals: readonly { signal: NodeJS.Signals; waitMs: number }[]): Promise<void> {
    this.#child.ref()
    for (const { signal, waitMs } of signals) {
      if (!this.running) break
      this.#child.kill(signal)
      await Promise.race([this.exited, setTimeout(waitMs, undefined, { ref: false })])
    }
    await this.exited
  }

  async #end() {
    await Promise.race([once(this.#child, 'exit'), once(this.#child, 'error')]).catch(() => {})
    this.#watcher.end('ended\n')
    await this.#outputRead()
  }

  /** Waits briefly for the rest of the output. Child processes may hold the pipe for longer. */
  async #outputRead() {
    const { stderr } = this.#child
    if (!stderr || stderr.readableEnded) return
    const listening = new AbortController()
    const ended = once(stderr, 'end', listening)
    await Promise.race([ended, setTimeout(LISTEN_MS, undefined, listening)]).catch(() => {})
    listening.abort()
    await ended.catch(() => {})
  }

  #collect(onLine?: (line: string) => void) {
    let rest = ''
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#keep(line, onLine)
    })
  }

  #keep(line: string, onLine?: (line: string) => void) {
    this.#lastLines.push(line)
    if (this.#lastLines.length > 12) this.#lastLines.shift()
    onLine?.(line)
  }
}

export interface GuardOptions {
  readonly account: Account
  /** A folder that the guard removes after ending the program. */
  readonly removeAfter?: string | undefined
  readonly onLine?: ((line: string) => void) | undefined
}

const LISTEN_MS = 1_000

/** The watcher is a grandchild, because the program must not have an unknown child. */
const GUARD = `
folder=$1; shift
( (
  exec >/dev/null 2>&1
  read -r told <&3 && exit
  kill -INT $$; tries=0
  while kill -0 $$ && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  [ $tries -lt 100 ] || kill -KILL $$
  [ -z "$folder" ] || rm -rf -- "$folder"
) & )
exec "$@" 3<&-
`
