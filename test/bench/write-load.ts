import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startCode } from '../helpers/program.ts'

const run = promisify(execFile)

export interface WriteLoad {
  readonly connectionString: string
  readonly writers: number
  readonly seconds: number
  /** Rows of the table `bench`. */
  readonly rows: number
}

export const hasPgbench = () =>
  run('pgbench', ['--version']).then(
    () => true,
    () => false,
  )

/** Transactions a second of single-row updates. By pgbench where there is one, which takes less of the processor. */
export const updateRate = async (load: WriteLoad): Promise<number> =>
  (await hasPgbench()) ? await rateOfPgbench(load) : await rateOfNode(load)

async function rateOfPgbench({ connectionString, writers, seconds, rows }: WriteLoad) {
  const folder = await mkdtemp(join(tmpdir(), 'changefeed-bench-'))
  const script = join(folder, 'update.sql')
  try {
    await writeFile(script, `\\set i random(1, ${rows})\nupdate bench set age = age + 1 where id = :i;\n`)
    // Its time includes connecting, though the rate does not.
    const options = [
      '--no-vacuum',
      '--protocol=prepared',
      '--jobs=1',
      `--client=${writers}`,
      `--time=${seconds + Math.ceil(writers / 8)}`,
    ]
    const { stdout } = await run('pgbench', [...options, `--file=${script}`, connectionString])
    const [, rate] = /^tps = ([\d.]+)/m.exec(stdout) ?? []
    if (rate === undefined) throw new Error(`pgbench has made no transaction:\n${stdout}`)
    return Number(rate)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function rateOfNode({ connectionString, writers, seconds, rows }: WriteLoad) {
  const program = startCode(
    `
    import pg from 'pg'
    const clients = Array.from({ length: ${writers} }, () => new pg.Client(process.env.URL))
    await Promise.all(clients.map(client => client.connect()))
    const end = performance.now() + ${seconds * 1000}
    let count = 0
    await Promise.all(clients.map(async client => {
      for (; performance.now() < end; count++) {
        const id = Math.ceil(Math.random() * ${rows})
        await client.query({ name: 'update', text: 'update bench set age = age + 1 where id = $1', values: [id] })
      }
    }))
    await Promise.all(clients.map(client => client.end()))
    console.log('rate ' + count / ${seconds})`,
    { URL: connectionString },
  )
  const line = await program.line(/^rate /, seconds * 1000 + 30_000)
  await program.ended
  return Number(line.slice(5))
}
