import { readdir, readFile } from 'node:fs/promises'

const TICK_MS = 10 // USER_HZ is 100 wherever Node runs on Linux

/** Processor time in milliseconds of a process and its children, those that have ended included. Linux only. */
export async function processorTime(pid: number): Promise<number> {
  const stats = await Promise.all((await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(stat))
  const family = stats.flatMap(each => each ?? []).filter(each => each.pid === pid || each.parent === pid)
  return family.reduce((sum, each) => sum + each.ms + (each.pid === pid ? each.endedMs : 0), 0)
}

/** Undefined for a process that has ended. */
async function stat(pid: string) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  // After the name, which may have spaces: state, parent, ..., utime, stime, cutime, cstime.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15)
  return {
    pid: Number(pid),
    parent: fields[1],
    ms: (user + system) * TICK_MS,
    endedMs: (endedUser + endedSystem) * TICK_MS,
  }
}
