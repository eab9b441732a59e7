import { type Browser, chromium, type Page } from 'playwright-core'
import { need } from './need.ts'
import { afterScope } from './scope.ts'

/** Less than a test may take, so that what has not come is named. */
const WAIT_MS = 15_000

/** A page of a real browser and what it logs to its console. Closed at the end of the test. */
export async function openPage(url: string): Promise<{ page: Page; logged: string[] }> {
  const page = await (await browser()).newPage()
  page.setDefaultTimeout(WAIT_MS)
  afterScope(() => page.close())
  const logged: string[] = []
  page.on('console', async message => {
    const values = await Promise.all(message.args().map(argument => argument.jsonValue().catch(() => undefined)))
    logged.push(values.map(value => (typeof value === 'string' ? value : JSON.stringify(value))).join(''))
  })
  page.on('pageerror', error => logged.push(`page error: ${error.message}`))
  await page.goto(url)
  return { page, logged }
}

async function browser(): Promise<Browser> {
  const { path, env } = need('browser')
  const launched = await chromium.launch({
    executablePath: path,
    env: { ...process.env, ...env },
    args: ['--no-sandbox'], // also as root
  })
  afterScope(() => launched.close())
  return launched
}
