import { ROW_BYTES_MAX } from '../change-log/limits.ts'
import {
  annotationVariables,
  type CaptureFunction,
  changeValues,
  insertChange,
  readAnnotations,
  truncateGuard,
  wake,
} from './capture-function.ts'
import { keyTexts, rowTexts } from './row-text.ts'

/**
 * The plpgsql body of the trigger function of rows. It runs inside the app's writes, so it must not fail, wait, or depend
 * on session settings. Every name is qualified, and no literal contains a backslash (standard_conforming_strings). Code
 * that may fail has its own block without writes, so that the block uses no transaction id. Each expression costs a
 * transaction some time to prepare, so there are few.
 */
export const rowFunctionBody = (fn: CaptureFunction): string => `
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
  end if;${readAnnotations(fn)}
  ${insertChange(fn)}
  values (${changeValues(fn)},
    pg_catalog."left"(tg_op, 1)::pg_catalog."char",
    old_row,
    new_row,
    reason
  );${wake(fn)}
  return null;
end`

/** In a database of another encoding, a text may contain bytes without a UTF-8 form, which no client could read. */
const REFUSE_UNREADABLE = `
      if pg_catalog.getdatabaseencoding() <> 'UTF8' then
        perform pg_catalog.convert_to(pg_catalog.concat(old_row, new_row), 'UTF8');
      end if;`
