import { sql } from 'kysely'
import { gapMarker } from '../capture/gap-marker.ts'
import type { CaptureFault, ModelCapture } from '../capture/model-capture.ts'
import type { Database } from '../db/connect.ts'
import type { Logger } from '../logger.ts'
import type { FormatCommand } from '../printed-command.ts'

/** A model whose changes are not, or not all, captured until its capture is repaired. */
export interface UncapturedModel {
  readonly identity: string
  /** Its table, quoted and qualified. */
  readonly table: string
  readonly reason: CaptureFault
}

export interface CaptureWatchParts {
  readonly db: Database
  readonly logger: Logger
  readonly formatCommand: FormatCommand
  /** Whether this node publishes. Another node, possibly with other models, must not record the state of capture. */
  publishes(): boolean
}

/**
 * Detects that the capture of a model went off or came back, or that its name refers to another captured table. The
 * first node that detects it logs a gap marker, so that every node declares the gap at the same position. The last
 * finding is stored in the database, since capture may go off under one process and come back under another.
 */
export class CaptureWatch {
  readonly #parts: CaptureWatchParts
  #captures: readonly ModelCapture[] = []

  constructor(parts: CaptureWatchParts) {
    this.#parts = parts
  }

  get uncaptured(): UncapturedModel[] {
    return this.#captures.flatMap(({ identity, tableName, fault }) =>
      fault ? [{ identity, table: tableName, reason: fault }] : [],
    )
  }

  /** Ids of the captured tables whose changes this node publishes. */
  get published(): number[] {
    return this.#captures.flatMap(({ table }) => table?.id ?? [])
  }

  /** Call with each new state of capture before using it. */
  readonly onCaptures = async (captures: readonly ModelCapture[]): Promise<void> => {
    if (this.#parts.publishes()) {
      for (const capture of captures) if (isNews(capture)) await this.#record(capture)
    }
    for (const capture of captures) this.#report(capture)
    this.#captures = captures
  }

  async #record({ identity, tableName, table, fault, captured, recorded }: ModelCapture) {
    const { kysely, schema } = this.#parts.db
    const found = { table_id: table?.id ?? null, fault, since: sql<Date>`clock_timestamp()` }
    await kysely.transaction().execute(async transaction => {
      const { numInsertedOrUpdatedRows: changed } = await transaction
        .insertInto('model_capture')
        .values({ identity, table_name: tableName, ...found })
        .onConflict(conflict =>
          conflict
            .columns(['identity', 'table_name'])
            .doUpdateSet(found)
            .where('model_capture.table_id', 'is not distinct from', recorded?.tableId ?? null)
            .where('model_capture.fault', 'is not distinct from', recorded?.fault ?? null),
        )
        .executeTakeFirstOrThrow()
      const tableId = table?.id ?? captured.at(-1)
      if (!changed || tableId === undefined || !isGap({ fault, recorded })) return
      for (const statement of gapMarker(schema, tableId, `capture: ${fault ?? 'back'}`)) {
        await sql.raw(statement).execute(transaction)
      }
    })
  }

  #report({ identity, tableName, fault }: ModelCapture) {
    const former = this.#captures.find(capture => capture.identity === identity)?.fault ?? null
    if (fault === former) return
    const fields = { model: identity, table: tableName }
    const { logger, formatCommand } = this.#parts
    if (fault) logger.warn(`Changes of a model are missing: ${EXPLANATIONS[fault]} ${formatCommand('install')}`, fields)
    else logger.info('Capture of a model is working again', fields)
  }
}

const EXPLANATIONS: Record<CaptureFault, string> = {
  uncaptured: 'its table is not captured. Run:',
  gone: 'its table does not exist. Create it, or correct `tableName`, then run:',
  moved: 'its name refers to another table than the captured one. Run:',
  missing: 'triggers of its table are missing. Run:',
  disabled: 'triggers of its table are disabled. Run:',
  bypassed: 'its table was attached to another, through which triggers for statements miss writes. Run:',
}

function isNews({ table, fault, recorded }: ModelCapture): boolean {
  if (!recorded) return fault !== 'uncaptured'
  return recorded.fault !== fault || recorded.tableId !== (table?.id ?? null)
}

/** Clients are notified once per outage of capture, whatever its causes. */
const isGap = ({ fault, recorded }: Pick<ModelCapture, 'fault' | 'recorded'>) =>
  recorded ? recorded.fault === null || fault === null : fault !== null
