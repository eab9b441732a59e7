import { ChangefeedError } from '../errors.ts'
import type { Model } from './model.ts'

/**
 * A row as `row_to_json` wrote it, column by column, each value as its JSON source text: digits, the order of keys and
 * white space inside a json column are those of the database. JSON.parse would lose all three.
 */
export type RawRow = ReadonlyMap<string, string>

/** Throws `E_DECODE` for a text that `row_to_json` did not write. */
export function parseRow(text: string, model: Model): RawRow {
  try {
    return new Map(readObject(text))
  } catch {
    throw new ChangefeedError(
      'E_DECODE',
      `A logged row of model \`${model.identity}\` is not one JSON object. ` +
        'Only the triggers of this package may write to the change log; skip the change.',
    )
  }
}

/** Attributes whose column is not the same text in both rows. An attribute without a column in either is not changed. */
export function changedAttributes(model: Model, before: RawRow, after: RawRow): Set<string> {
  const attributes = [...model.attributes.values()]
  return new Set(attributes.filter(({ column }) => before.get(column) !== after.get(column)).map(({ name }) => name))
}

/** The members of a JSON object in source order: key, and value as source text. */
export function readObject(source: string): [key: string, value: string][] {
  return readList(source, '{', '}', (text, start) => {
    const keyEnd = endOfString(text, start)
    const colon = skipSpace(text, keyEnd)
    if (text[colon] !== ':') throw malformed()
    const end = endOfValue(text, colon + 1)
    return [[JSON.parse(text.slice(start, keyEnd)), text.slice(colon + 1, end)], end]
  })
}

/** The elements of a JSON array as source text. */
export function readArray(source: string): string[] {
  return readList(source, '[', ']', (text, start) => {
    const end = endOfValue(text, start)
    return [text.slice(start, end), end]
  })
}

type ReadMember<Member> = (text: string, start: number) => [member: Member, end: number]

function readList<Member>(text: string, open: string, close: string, read: ReadMember<Member>): Member[] {
  const members: Member[] = []
  let place = skipSpace(text, 0)
  if (text[place] !== open) throw malformed()
  place = skipSpace(text, place + 1)
  if (text[place] !== close) {
    for (let more = true; more; ) {
      const [member, end] = read(text, place)
      members.push(member)
      more = text[end] === ','
      place = more ? skipSpace(text, end + 1) : end
    }
  }
  if (text[place] !== close || skipSpace(text, place + 1) !== text.length) throw malformed()
  return members
}

/** Where the value that starts here ends, with the white space around it: a json column keeps its own. */
function endOfValue(text: string, start: number): number {
  const first = skipSpace(text, start)
  return skipSpace(text, endOfToken(text, first))
}

function endOfToken(text: string, start: number): number {
  const first = text[start]
  if (first === '"') return endOfString(text, start)
  if (first === '{' || first === '[') return endOfNested(text, start)
  SCALAR.lastIndex = start
  if (!SCALAR.test(text)) throw malformed()
  return SCALAR.lastIndex
}

/** Counts brackets, without recursion: a json column may be nested deeper than our stack. */
function endOfNested(text: string, start: number): number {
  let depth = 0
  for (let place = start; place < text.length; ) {
    MARK.lastIndex = place
    const mark = MARK.exec(text)
    if (!mark) throw malformed()
    place = mark.index + 1
    if (mark[0] === '"') place = endOfString(text, mark.index)
    else depth += mark[0] === '{' || mark[0] === '[' ? 1 : -1
    if (depth === 0) return place
  }
  throw malformed()
}

function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslash = quote
    while (text[backslash - 1] === '\\') backslash--
    if ((quote - backslash) % 2 === 0) return quote + 1
  }
  throw malformed()
}

function skipSpace(text: string, start: number): number {
  let place = start
  while (isSpace(text.charCodeAt(place))) place++
  return place
}

/** Space, tab, line feed, carriage return; NaN at the end. */
const isSpace = (code: number) => code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d
const SCALAR = /[^\s,\]}"[{]+/y
const MARK = /["{}[\]]/g

const malformed = () => new SyntaxError('Not the JSON that row_to_json writes')
