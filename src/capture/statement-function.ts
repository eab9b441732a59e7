import { ROW_BYTES_MAX } from '../change-log/limits.ts'
import { qualify, quoteName, quoteText } from '../db/quote.ts'
import {
  annotationExpressions,
  annotationVariables,
  boundAnnotations,
  type CaptureFunction,
  changeValues,
  hasShortAnnotations,
  insertChange,
  readTag,
  tagVariable,
  truncateGuard,
  wake,
} from './capture-function.ts'
import { isPlain, isSurelyPlain, namesByNumber, relation, textArray } from './row-text.ts'
import { writesSurely } from './sure-text.ts'
import {
  knownPair,
  knownRows,
  NEW_ROWS,
  OLD_ROWS,
  pairKey,
  ROW_OPERATIONS,
  type RowOperation,
  rowsTemplate,
} from './transition-rows.ts'

export interface StatementFunction extends CaptureFunction {
  /** Whether an UPDATE of a row that changes nothing is left out. */
  readonly skipSame: boolean
}

/**
 * The plpgsql body of the trigger function of statements, under the rules of `rowFunctionBody()`. One INSERT logs all rows of
 * the statement. An error in it would fail the app's write, and a block around it would use a transaction id. So rows that
 * may be impossible to write as text are written once before, in a block without writes. If that fails, a gap is logged
 * in place of the rows.
 */
export const statementFunctionBody = (fn: StatementFunction): string => `${tagVariable(fn)}
begin${readTag(fn)}
<<logging>>
begin${writesSurely(fn) ? logSurely(fn) : ''}
  declare
    reason pg_catalog.text;
    rows_logged pg_catalog.int8 := 1;${annotationVariables(fn)}
    texts record;
    rows_query pg_catalog.text;
    is_plain pg_catalog.bool;
    is_large pg_catalog.bool;
    settings pg_catalog.text[];
  begin${boundAnnotations()}
    if tg_op = 'TRUNCATE' then${truncateGuard(fn)}
      ${insertChange(fn)}
      values (${changeValues(fn)}, 'T', null, null, null);
    else
      begin
        is_plain := ${isPlain(fn)};${refuseRepeated(fn)}
      exception when others then
        reason := sqlstate; -- not the message: that may quote values
      end;
      if reason is null then
        if is_plain then${ROW_OPERATIONS.map(
          (operation, index) => `
          ${index === 0 ? 'if' : 'elsif'} tg_op = '${operation}' then${logKnown(fn, operation)}`,
        ).join('')}
          end if;
        else${logPresent(fn)}
        end if;
      end if;
      if reason is not null then
        ${insertChange(fn)}
        values (${changeValues(fn)}, 'G', null, null, reason);
      end if;
      if rows_logged = 0 then
        return null;
      end if;
    end if;
  end;
end;${wake(fn)}
  return null;
end`

/** For statements whose rows can be logged without a block, in three expressions. Others are left to what follows. */
const logSurely = (fn: StatementFunction) => `
  if tg_op = 'UPDATE' then${logIfSure(fn, 'UPDATE')}
  elsif tg_op = 'INSERT' then${logIfSure(fn, 'INSERT')}
  elsif tg_op = 'DELETE' then${logIfSure(fn, 'DELETE')}
  end if;`

function logIfSure(fn: StatementFunction, operation: RowOperation): string {
  const insert = (rows: string) => `
      ${insertChange(fn)}
      select ${changeValues(fn, annotationExpressions(fn))}, logged.operation, logged.old, logged.new, logged.defect
      from (${rows}) as logged;`
  const logPair = `${insert(knownPair(fn, fn.skipSame))}
      if found then
        exit logging;
      end if;`
  return `
    if ${isSurelyPlain(fn, operation === 'UPDATE' ? fn.primaryKey : null)}
      and ${hasShortAnnotations()}
    then${operation === 'UPDATE' ? logPair : ''}${insert(knownRows(fn, operation, fn.skipSame))}
      if not found then
        return null;
      end if;
      exit logging;
    end if;`
}

/**
 * An action of a foreign key belongs to the statement that caused it, and can update a row once more. Such rows cannot be
 * paired by their key.
 */
function refuseRepeated({ schema, shape, primaryKey }: StatementFunction): string {
  const key = quoteName(primaryKey)
  const repeated = (table: string) =>
    `exists (select from ${table} as changed group by ${pairKey('changed', key)} having pg_catalog.count(*) > 1)`
  return `
      if tg_op = 'UPDATE' and not ${qualify(schema, 'has_unique_rows')}(${relation(shape)}, ${shape.columns.get(primaryKey)?.number ?? 0}::pg_catalog.int2) then
        if ${repeated(OLD_ROWS)} or ${repeated(NEW_ROWS)} then
          raise cardinality_violation;
        end if;
      end if;`
}

/** For a table whose columns are as installed. */
function logKnown(fn: StatementFunction, operation: RowOperation): string {
  const rows = knownRows(fn, operation, fn.skipSame)
  const unsure = writesSurely(fn) ? `pg_catalog.getdatabaseencoding() <> 'UTF8'` : 'true'
  return `
          if ${unsure} then
            begin
              if (select ${isTooLarge} from (${rows}) as logged) then
                raise program_limit_exceeded;
              end if;
            exception when others then
              reason := sqlstate;
            end;
          end if;
          if reason is null then
            ${insertChange(fn)}
            select ${changeValues(fn)}, logged.operation, logged.old, logged.new, logged.defect
            from (${rows}) as logged;
            get diagnostics rows_logged = row_count;
          end if;`
}

/** True also for a text that has no UTF-8 form: then it fails. */
const isTooLarge = `pg_catalog.max(pg_catalog.octet_length(pg_catalog.convert_to(pg_catalog.concat(logged.old, logged.new), 'UTF8'))) > ${ROW_BYTES_MAX}`

/** Settings in which output functions write what the reader expects. */
const SETTINGS = {
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
}

/** For any columns and settings: looks up the columns for each statement. */
function logPresent(fn: StatementFunction): string {
  const { schema, tableId, shape, redacted, primaryKey, skipSame } = fn
  const columns = [
    relation(shape),
    tableId,
    textArray(namesByNumber(shape)),
    textArray([...redacted]),
    quoteText(primaryKey),
  ]
  const query = (operation: RowOperation) =>
    `when '${operation}' then pg_catalog.format(${quoteText(rowsTemplate(operation, skipSame))}, texts.old_text, texts.new_text, texts.key_name)`
  const insert = `${insertChange(fn)}
    select ${changeValues(fn, { moment: '$1', origin: '$2', annotations: '$3' })}, logged.operation, logged.old, logged.new, logged.defect
    from (`
  return `
        begin
          settings := array[${Object.keys(SETTINGS)
            .map(name => `pg_catalog.current_setting('${name}')`)
            .join(', ')}];
          perform ${Object.entries(SETTINGS)
            .map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', true)`)
            .join(', ')};
          select * into texts from ${qualify(schema, 'transition_texts')}(${columns.join(', ')});
          rows_query := case tg_op ${ROW_OPERATIONS.map(query).join(' ')} end;
          execute ${quoteText(`select ${isTooLarge} from (`)} || rows_query || ') as logged' into is_large;
          if is_large then
            raise program_limit_exceeded;
          end if;
        exception when others then
          reason := sqlstate;
        end;
        if reason is null then
          execute ${quoteText(insert)} || rows_query || ') as logged' using moment, origin, annotations;
          get diagnostics rows_logged = row_count;
          perform ${Object.keys(SETTINGS)
            .map((name, index) => `pg_catalog.set_config('${name}', settings[${index + 1}], true)`)
            .join(', ')};
        end if;`
}
