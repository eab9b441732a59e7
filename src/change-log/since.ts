import type { Database } from '../db/connect.ts'
import { ChangefeedError } from '../errors.ts'
import { parseCursor } from './cursor.ts'
import type { Position } from './position.ts'
import { positionAfter, positionAt } from './seek.ts'

/** A starting point in the change log, as a user specifies it. */
export interface Since {
  readonly position: Position
  /** Changes before this time are skipped, since the position is at the tick before it. Null for a cursor. */
  readonly time: Date | null
}

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Parses a cursor from a message, a time (`2026-01-31T12:00:00Z`) or a duration before now (`10m`, `2h`). Throws
 * `E_USAGE`.
 */
export async function parseSince(db: Database, text: string): Promise<Since> {
  if (/^[0-9a-z]+(\.[0-9a-z]+){2,3}$/.test(text)) {
    return { position: await positionAfter(db, parseCursor(text)), time: null }
  }
  const time = parseTime(text)
  return { position: await positionAt(db, time), time }
}

export function parseTime(text: string): Date {
  const [, amount, unit] = /^(\d+)\s*(s|m|h|d)$/.exec(text) ?? []
  const time = amount && unit ? new Date(Date.now() - Number(amount) * (UNITS[unit] ?? 0)) : new Date(text)
  if (!Number.isNaN(time.getTime())) return time
  throw new ChangefeedError(
    'E_USAGE',
    `"${text}" is neither a cursor, nor a time such as 2026-01-31T12:00:00Z, nor a duration such as 10m or 2h.`,
  )
}
