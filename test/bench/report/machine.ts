import { execFile } from 'node:child_process'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { promisify } from 'node:util'
import { serverAccount } from '../../../src/embedded-postgres/account.ts'
import { embeddedBinaries } from '../../../src/embedded-postgres/binaries.ts'

const run = promisify(execFile)

export interface RunStart {
  readonly at: Date
  /** Load averages of 1, 5 and 15 minutes. */
  readonly load: readonly number[]
}

export const runStart = (): RunStart => ({ at: new Date(), load: loadavg() })

/** A Markdown list of what the figures of a run depend on. */
export async function describeMachine(start: RunStart, more: Readonly<Record<string, string>>): Promise<string> {
  const [cpu] = cpus()
  const facts = {
    date: start.at.toISOString(),
    ...more,
    commit: await commit(),
    processor: `${cpus().length} cores, ${cpu?.model.trim()}`,
    memory: `${(totalmem() / 1024 ** 3).toFixed(1)} GB`,
    system: `${type()} ${release()}`,
    Node: process.version,
    PostgreSQL: `${(await embeddedBinaries(await serverAccount())).version}, embedded`,
    'load average before': start.load.map(each => each.toFixed(1)).join(', '),
  }
  return Object.entries(facts)
    .map(([name, fact]) => `- ${name}: ${fact}`)
    .join('\n')
}

/** The commit of the working tree. An npm package has none. */
async function commit(): Promise<string> {
  try {
    const { stdout: head } = await run('git', ['rev-parse', '--short', 'HEAD'])
    const { stdout: changes } = await run('git', ['status', '--porcelain'])
    return `${head.trim()}${changes ? ', with changes' : ''}`
  } catch {
    return 'unknown'
  }
}
