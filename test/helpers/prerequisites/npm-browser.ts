import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { unpackedOnce } from './cache.ts'
import { type Program, working } from './program.ts'

/**
 * The headless Chromium inside the npm package @sparticuz/chromium. It brings the libraries that a bare Debian lacks (NSS,
 * expat) and a font; everything else that it loads belongs to glibc.
 */
export async function npmBrowser(): Promise<Program> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`@sparticuz/chromium has no browser for ${process.platform}-${process.arch}`)
  }
  const entry = createRequire(import.meta.url).resolve('@sparticuz/chromium')
  const { version } = JSON.parse(await readFile(join(dirname(entry), '../../package.json'), 'utf8'))
  return await unpackedOnce(`chromium-${version}`, unpack, folder =>
    working(join(folder, 'chromium'), {
      LD_LIBRARY_PATH: join(folder, 'al2023', 'lib'),
      FONTCONFIG_PATH: join(folder, 'fonts'),
      XDG_CACHE_HOME: join(folder, 'cache'),
    }),
  )
}

/** The package unpacks into the temp folder, and its libraries only on AWS Lambda: both are set for a process of its own. */
async function unpack(folder: string) {
  const script = `import chromium from '@sparticuz/chromium'; await chromium.executablePath()`
  await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: import.meta.dirname,
    env: { ...process.env, TMPDIR: folder, AWS_LAMBDA_JS_RUNTIME: 'nodejs20.x' },
  })
  await writeFile(join(folder, 'fonts', 'fonts.conf'), FONTS)
}

/** The package's own file looks for the fonts in /tmp/fonts. Without a font Chromium crashes. */
const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>
`
