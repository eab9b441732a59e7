import { request } from 'node:http'
import { type Demo, type DemoOptions, startDemo } from '../../../src/demo/start-demo.ts'
import { silentLogger } from '../../../src/logger.ts'
import { afterScope } from '../../helpers/scope.ts'

/** A demo on a free port, stopped at the end of the test or file. */
export async function startTestDemo(options: Partial<DemoOptions> = {}): Promise<Demo> {
  const demo = await startDemo({ port: 0, logger: silentLogger, ...options })
  afterScope(() => demo.stop())
  return demo
}

export const portOf = ({ url }: Pick<Demo, 'url'>) => Number(new URL(url).port)

export interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: string
}

export interface Asked {
  readonly path: string
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** Sends a request with any headers, including those that fetch() forbids. */
export function ask(demo: Pick<Demo, 'url'>, { path, method = 'GET', headers = {}, body }: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, demo.url), { method, headers, agent: false }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', chunk => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
    })
    sent.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: '' })
    })
    sent.on('error', reject).end(body)
  })
}

/** The settings in the page, with the token. */
export async function pageSettings(
  demo: Pick<Demo, 'url'>,
): Promise<{ token: string; sql: boolean; database: string }> {
  const { body } = await ask(demo, { path: '/' })
  return JSON.parse(/id="settings">(.*?)<\/script>/.exec(body)?.[1] ?? 'null')
}

/** The headers that the page sends with SQL. */
export async function pageHeaders(demo: Pick<Demo, 'url'>): Promise<Record<string, string>> {
  const { token } = await pageSettings(demo)
  return { origin: demo.url, 'content-type': 'application/json', 'x-demo-token': String(token) }
}

export async function runSql(demo: Pick<Demo, 'url'>, sql: string) {
  const answer = await ask(demo, {
    path: '/sql',
    method: 'POST',
    headers: await pageHeaders(demo),
    body: JSON.stringify({ sql }),
  })
  return JSON.parse(answer.body)
}
