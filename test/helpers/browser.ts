import { type Browser, chromium, type Page } from 'playwright-core'
import { afterScope } from './scope.ts'

/** A page of a real browser, `CHROMIUM` or Debian's, and what it logs to its console. Closed at the end of the test. */
export async function openPage(url: string): Promise<{ page: Page; logged: string[] }> {
  const page = await (await browser()).newPage()
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
  const launched = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'], // also as root
  })
  afterScope(() => launched.close())
  return launched
}
