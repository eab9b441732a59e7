import { type Client, connectClient } from '../db/connect.ts'

/** Runs `use` with a connection and closes it. */
export async function withClient<T>(connectionString: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = await connectClient({ connectionString, applicationName: 'waterline-changefeed demo' }, () => {})
  try {
    return await use(client)
  } finally {
    await client.end().catch(() => {}) // the error of `use` matters
  }
}
