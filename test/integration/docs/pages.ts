import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../../..')

/** A page of the documentation; `path` begins at the root of the project. */
export interface Page {
  readonly path: string
  readonly text: string
}

export async function page(path: string): Promise<Page> {
  return { path, text: await readFile(join(root, path), 'utf8') }
}

export async function pages(): Promise<Page[]> {
  const ofDocs = (await readdir(join(root, 'docs'), { recursive: true })).filter(name => name.endsWith('.md'))
  const ofExamples = (await readdir(join(root, 'examples'))).map(name => `examples/${name}/README.md`)
  const names = [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'CHANGELOG.md',
    ...ofDocs.map(name => `docs/${name}`),
    ...ofExamples,
  ]
  return await Promise.all(names.sort().map(page))
}

export interface CodeBlock {
  readonly language: string
  readonly code: string
  /** Of the comment `<!-- run: name -->` on the line above. */
  readonly name: string | undefined
}

export function codeBlocks({ text }: Page): CodeBlock[] {
  const blocks = text.matchAll(/(?:<!-- run: ([\w-]+) -->\n)?^```(\w*)\n([\s\S]*?)^```$/gm)
  return [...blocks].map(([, name, language = '', code = '']) => ({ name, language, code }))
}

/** The text without its code blocks. */
export const prose = ({ text }: Page): string => text.replace(/^```[\s\S]*?^```$/gm, '')

/** The cells of each row of the tables, without heads and rules. */
export function tableRows(page: Page): string[][] {
  const lines = prose(page).split('\n')
  const isBody = (line: string, index: number) =>
    line.startsWith('|') && !/^\|[-| ]+$/.test(line) && !/^\|[-| ]+$/.test(lines[index + 1] ?? '')
  return lines.filter(isBody).map(line =>
    line
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
}

/** The code in backticks, if that is all there is. */
export const onlyCode = (cell: string): string | undefined => /^`([^`]+)`$/.exec(cell)?.[1]
