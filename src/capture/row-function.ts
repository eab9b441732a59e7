import { ROW_BYTES_MAX } from '../change-log/limits.ts'
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
import { isSurelyPlain, keyTexts, knownColumns, loggedColumns, relation, rowTexts } from './row-text.ts'
import { sizesOf, writesSurely } from './sure-text.ts'

/**
 * The plpgsql body of the trigger function of rows. It runs inside the app's writes, so it must not fail, wait, or depend
 * on session settings. Every name is qualified, and no literal contains a backslash (standard_conforming_strings). Code
 * that may fail has its own block without writes, so that the block uses no transaction id. Each expression costs a
 * transaction some time to prepare, so there are few.
 */
export const rowFunctionBody = (fn: CaptureFunction): string => `${tagVariable(fn)}
begin${readTag(fn)}
<<logging>>
begin${writesSurely(fn) ? logSurely(fn) : ''}
  declare
    old_row pg_catalog.text;
    new_row pg_catalog.text;
    reason pg_catalog.text;${annotationVariables(fn)}
  begin
    if tg_op = 'TRUNCATE' then${truncateGuard(fn)}
    else
      begin${rowTexts(fn)}
        if coalesce(pg_catalog.octet_length(old_row), 0) + coalesce(pg_catalog.octet_length(new_row), 0) > ${ROW_BYTES_MAX} then
          raise program_limit_exceeded;
        end if;${REFUSE_UNREADABLE}
      exception when others then
        reason := sqlstate; -- not the message: that may quote values
        begin
          old_row := null;
          new_row := null;${keyTexts(fn.shape.columns.get(fn.primaryKey))}${REFUSE_UNREADABLE}
        exception when others then
          old_row := null;
          new_row := null;
        end;
      end;
    end if;${boundAnnotations()}
    ${insertChange(fn)}
    values (${changeValues(fn)},
      pg_catalog."left"(tg_op, 1)::pg_catalog."char",
      old_row,
      new_row,
      reason
    );
  end;
end;${wake(fn)}
  return null;
end`

/** In a database of another encoding, a text may contain bytes without a UTF-8 form, which no client could read. */
const REFUSE_UNREADABLE = `
        if pg_catalog.getdatabaseencoding() <> 'UTF8' then
          perform pg_catalog.convert_to(pg_catalog.concat(old_row, new_row), 'UTF8');
        end if;`

/** For rows that can be logged without a block of their own. Other rows are left to what follows. */
const logSurely = (fn: CaptureFunction) => `
  if tg_op = 'UPDATE' then${logIfSure(fn, 'U', ['old', 'new'])}
  elsif tg_op = 'INSERT' then${logIfSure(fn, 'I', ['new'])}
  elsif tg_op = 'DELETE' then${logIfSure(fn, 'D', ['old'])}
  end if;`

function logIfSure(fn: CaptureFunction, operation: 'I' | 'U' | 'D', rows: readonly ('old' | 'new')[]): string {
  const text = (row: 'old' | 'new') => (rows.includes(row) ? knownColumns(fn, row) : 'null')
  const insert = `
        ${insertChange(fn)}
        values (${changeValues(fn, annotationExpressions(fn))}, '${operation}', ${text('old')}, ${text('new')}, null);
        exit logging;`
  const areSmall = smallRows(fn, rows)
  return `
    if ${isSurelyPlain(fn)} and ${hasShortAnnotations()} then${
      areSmall
        ? `
      if ${areSmall} then${insert}
      end if;`
        : insert
    }
    end if;`
}

/** A condition that names columns, so it has an expression of its own: the table may have lost them. */
function smallRows({ shape, redacted }: CaptureFunction, rows: readonly ('old' | 'new')[]): string | null {
  const sizes = rows.flatMap(row => sizesOf(loggedColumns(shape, redacted), row))
  if (sizes.length === 0) return null
  return `${relation(shape)} is not null and (greatest(${sizes.join(', ')}) > ${Math.floor(ROW_BYTES_MAX / sizes.length)}) is not true`
}
