import { access } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ChangefeedError } from '../errors.ts'

const NAMES = ['ts', 'mjs', 'js', 'cjs'].map(extension => `changefeed.config.${extension}`)

export interface ConfigFile {
  readonly path: string
  /** Base of relative paths in the file. */
  readonly folder: string
  /** The default export, not validated yet. */
  readonly content: unknown
}

/**
 * Loads the named file, or `changefeed.config.{ts,mjs,js,cjs}` of a folder if there is one. Throws `E_OPTIONS` if the
 * file does not exist or cannot be loaded.
 */
export async function loadConfigFile(named: string | undefined, folder: string): Promise<ConfigFile | null> {
  const path = named === undefined ? await findConfigFile(folder) : resolve(folder, named)
  if (path === undefined) return null
  if (!(await exists(path))) {
    throw new ChangefeedError('E_OPTIONS', `The file ${path} does not exist: correct --config or CHANGEFEED_CONFIG.`)
  }
  return { path, folder: dirname(path), content: await load(path) }
}

async function findConfigFile(folder: string): Promise<string | undefined> {
  for (const name of NAMES) {
    const path = resolve(folder, name)
    if (await exists(path)) return path
  }
  return undefined
}

/** Newer versions of Node strip types. */
const readsTypeScript = Boolean((process.features as { typescript?: unknown }).typescript)

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

async function load(path: string): Promise<unknown> {
  if (extname(path) === '.ts' && !readsTypeScript) {
    throw new ChangefeedError(
      'E_OPTIONS',
      `Node ${process.versions.node} cannot read ${path}: use Node 22.18 or newer, or write changefeed.config.mjs instead.`,
    )
  }
  try {
    const module = await import(pathToFileURL(path).href)
    return module.default ?? module
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ChangefeedError('E_OPTIONS', `${path} cannot be loaded: ${reason}`, { cause })
  }
}
