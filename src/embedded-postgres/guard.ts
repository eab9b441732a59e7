import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { Account } from './account.ts'

/**
 * A program that does not outlive us, however we die. A shell starts it: a watcher in the background waits on our end of
 * a pipe, then the shell becomes the program (so its pid is ours to know). When the pipe closes without a word, we are
 * gone, and the watcher ends the program and removes its temp folder.
 */
export class GuardedProcess {
  readonly #child: ChildProcess
  readonly #lastLines: string[] = []
  readonly exited: Promise<void>

  constructor(program: string, args: readonly string[], options: GuardOptions) {
    this.#child = spawn('/bin/sh', ['-c', GUARD, 'guard', options.removeAfter ?? '', program, ...args], {
      cwd: '/',
      // A session of its own: Ctrl-C in our terminal is for us, and we stop the program when we have drained.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      // Messages in English, and no PGDATA, PGPORT or the like of ours.
      env: { PATH: process.env.PATH, LC_ALL: 'C', ...(process.env.TZ && { TZ: process.env.TZ }) },
      ...options.account.ids,
    })
    this.exited = this.#end()
    this.#watcher.on('error', () => {}) // it was gone before it was told
    this.#collect(options.onLine)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Our end of the pipe. Not the program's stdin: Node destroys that on exit, before we could say a word. */
  get #watcher(): Socket {
    return this.#child.stdio[3] as Socket
  }

  get exitCode(): number | null {
    return this.#child.exitCode
  }

  /** The last lines that it printed, for an error message. */
  get lastWords(): string {
    return this.#lastLines.join('\n')
  }

  /** From here on the program is no reason for us to stay: if nobody ends it, the guard does, after us. */
  letUsExit() {
    this.#child.unref()
    this.#watcher.unref()
    ;(this.#child.stderr as Socket | null)?.unref()
  }

  /** Sends each signal in turn until the program has ended, and waits so long after each. */
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
    await this.#lastWordsRead()
  }

  /** Its children may hold the pipe for a moment longer than we care to listen. */
  async #lastWordsRead() {
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
  /** A folder that the guard removes when it had to end the program. */
  readonly removeAfter?: string | undefined
  readonly onLine?: ((line: string) => void) | undefined
}

const LISTEN_MS = 1_000

/** The watcher is a grandchild, as the program must not find a child that it does not know. */
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
