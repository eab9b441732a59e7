import { setTimeout as sleep } from 'node:timers/promises'
import { type DatabaseStatus, type ModelStatus, readStatus } from '../../doctor/status.ts'
import { describeHolder } from '../../leader/gate-holders.ts'
import type { Lease } from '../../leader/lease.ts'
import type { Node } from '../../leader/nodes.ts'
import { colours } from '../colours.ts'
import { withCommandContext } from '../command-context.ts'
import { formatConsumers } from '../consumers-text.ts'
import { EXIT } from '../exit-code.ts'
import { listFindings } from '../findings-text.ts'
import { interruption } from '../interruption.ts'
import { columnsOf } from '../line-width.ts'
import { describe, errorAsData } from '../run-command.ts'
import type { ProgramSettings } from '../settings.ts'
import { table } from '../table.ts'
import { bytes, count, note, print, printJson, printText, seconds, terminal } from '../terminal.ts'

interface StatusFlags {
  readonly json?: boolean
  /** In milliseconds; true for the default. */
  readonly watch?: number | true
}

const WATCH_MS = 2_000
const CLEAR_SCREEN = '\x1b[2J\x1b[3J\x1b[H'

export async function status(settings: ProgramSettings, { json, watch }: StatusFlags): Promise<number> {
  return await withCommandContext(settings, async context => {
    const show = async () => {
      const found = await readStatus(await context.installedDatabase('status'))
      if (watch !== undefined && !json && terminal.out.isTTY) terminal.out.write(CLEAR_SCREEN)
      if (json) printJson(found)
      else printStatus(found)
    }
    if (watch === undefined) await show()
    else await repeat(show, watch === true ? WATCH_MS : watch, settings, json)
    return EXIT.ok
  })
}

/** Repeats until interrupted. An unavailable database is retried. */
async function repeat(show: () => Promise<void>, everyMs: number, settings: ProgramSettings, json = false) {
  const signal = interruption()
  while (!signal.aborted) {
    await show().catch(error => (json ? printJson(errorAsData(error, settings)) : note(describe(error, settings))))
    await sleep(everyMs, undefined, { signal }).catch(() => {}) // interrupted
  }
}

function printStatus(found: DatabaseStatus) {
  const { problems, lag, leader, gateHolders, nodes, models, consumers } = found
  const window = found.oldestRetainedAt
  const facts = [
    ['lag', `${count(lag.changes, 'change')}${lag.orMore ? ' or more' : ''}, ${seconds(lag.seconds)}`],
    ['leader', leader ? leaderText(leader, nodes) : colours.red('none has run yet')],
    ...gateHolders.map(holder => ['gate held by', colours.yellow(describeHolder(holder))]),
    ['log', bytes(found.logBytes)],
    ['kept since', window ? `${window.toISOString()} (${age(window)})` : 'the start'],
    ['clients', found.sockets === null ? 'on servers of the app' : String(found.sockets)],
  ]
  const columns = columnsOf(terminal.out)
  printText(colours.bold(summarize(found)))
  for (const paragraph of listFindings(problems, columns)) print(`\n${paragraph}`)
  print(`\n${table([], facts as string[][], columns)}`)
  print(`\n${table(['model', 'table', 'capture', 'publishing'], models.map(modelRow), columns)}`)
  if (consumers.length > 0) print(`\n${formatConsumers(consumers, columns)}`)
  if (nodes.length > 0) print(`\n${table(NODE_HEAD, nodes.map(nodeRow), columns)}`)
}

const NODE_HEAD = ['node', 'role', 'process', 'version', 'tick', 'sockets', 'up']

function summarize({ models, problems }: DatabaseStatus): string {
  const off = models.filter(({ capture }) => capture !== 'on').length
  const paused = models.filter(({ pausedAt }) => pausedAt !== null).length
  const parts = [
    `${count(models.length, 'model')} captured`,
    off > 0 && `${off} with capture off`,
    paused > 0 && `${paused} paused`,
    count(problems.length, 'problem'),
  ]
  return `${parts.filter(part => part !== false).join(', ')}.`
}

function leaderText({ node, silentSeconds, fresh }: Lease, nodes: readonly Node[]): string {
  const known = nodes.find(({ id }) => id === node)
  const name = known ? `${known.host} (process ${known.pid})` : node
  if (fresh) return name
  return colours.red(`none; ${name} was the last, ${seconds(silentSeconds)} ago`)
}

function modelRow({ identity, table, capture, pausedAt, withheld }: ModelStatus): string[] {
  const publishing = pausedAt ? colours.yellow(`paused ${age(pausedAt)}, ${withheld} skipped`) : 'on'
  return [identity, table ?? colours.red('dropped'), capture === 'on' ? 'on' : colours.red(capture), publishing]
}

const nodeRow = ({ id, role, host, pid, version, tick, sockets, startedAt }: Node): string[] => [
  id.slice(0, 8),
  role === 'silent' ? colours.yellow(role) : role,
  `${host}/${pid}`,
  version ?? 'older',
  String(tick),
  sockets === null ? '-' : String(sockets),
  age(startedAt),
]

const age = (from: Date) => seconds((Date.now() - from.getTime()) / 1000)
