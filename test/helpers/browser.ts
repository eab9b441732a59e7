import { type Browser, chromium, type Page } from 'playwright-core'
import { need } from './need.ts'
import type { Program } from './prerequisites/program.ts'
import { afterFile, afterScope } from './scope.ts'

/** Less than a test may take, so that what has not come is named. */
const WAIT_MS = 15_000

/** A page of a real browser and what it logs to its console. Closed at the end of the test. */
export async function openPage(url: string): Promise<{ page: Page; logged: string[] }> {
  const program = need('browser')
  launched ??= launch(program)
  const context = await (await launched).newContext() // with cookies of its own
  afterScope(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(WAIT_MS)
  const logged: string[] = []
  page.on('console', async message => {
    const values = await Promise.all(message.args().map(argument => argument.jsonValue().catch(() => undefined)))
    logged.push(values.map(value => (typeof value === 'string' ? value : JSON.stringify(value))).join(''))
  })
  page.on('pageerror', error => logged.push(`page error: ${error.message}`))
  await page.goto(url)
  return { page, logged }
}

/** The browser of the test file. */
let launched: Promise<Browser> | undefined

async function launch({ path, env }: Program): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: path,
    env: { ...process.env, ...env },
    args: ['--no-sandbox'], // also as root
  })
  afterFile(async () => {
    launched = undefined
    await browser.close()
  })
  return browser
}
