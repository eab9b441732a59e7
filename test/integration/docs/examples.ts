import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterScope } from '../../helpers/scope.ts'
import { codeBlocks, pages, root } from './pages.ts'

/** The code block of the pages below `<!-- run: name -->`. */
export async function example(name: string): Promise<string> {
  const found = (await pages()).flatMap(codeBlocks).find(block => block.name === name)
  if (!found) throw new Error(`No page has an example \`${name}\`.`)
  return found.code
}

type Scope = Record<string, unknown>

/** Runs an ES module with these names in scope. It imports the built package by its name. */
export async function runModule(code: string, scope: Scope): Promise<void> {
  const imports = code.match(/^import .*$/gm) ?? []
  const body = code.replace(/^import .*$/gm, '')
  const text = `${imports.join('\n')}\nexport default async ({ ${Object.keys(scope).join(', ')} }) => {\n${body}\n}\n`
  const { default: start } = await import(/* @vite-ignore */ (await moduleFile('example.mjs', text)).href)
  await start(scope)
}

/** What a module exports by default. */
export async function defaultExport(code: string): Promise<unknown> {
  return (await import(/* @vite-ignore */ (await moduleFile('example.mjs', code)).href)).default
}

/** In a folder from which the built package is found by its name. */
export async function moduleFile(name: string, text: string): Promise<URL> {
  const folder = await mkdtemp(join(root, 'dist', 'example-'))
  afterScope(() => rm(folder, { recursive: true }))
  const file = join(folder, name)
  await writeFile(file, text)
  return pathToFileURL(file)
}

/** What a CommonJS module exports. */
// biome-ignore lint/suspicious/noExplicitAny: it may be anything
export function commonJs(code: string, scope: Scope = {}): any {
  const module = { exports: {} }
  runScript(code, { ...scope, module, require: createRequire(import.meta.url) })
  return module.exports
}

/** Runs a script with these names in scope; gives the value of the expression `result`, evaluated behind it. */
export function runScript(code: string, scope: Scope, result = 'undefined'): unknown {
  return new Function(...Object.keys(scope), `${code}\nreturn ${result}`)(...Object.values(scope))
}

/** As {@link runScript}, for a script that awaits. */
export async function runAsync(code: string, scope: Scope): Promise<void> {
  await runScript(`return (async () => {\n${code}\n})()`, scope)
}
