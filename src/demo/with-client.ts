import { type Client, connectClient } from '../db/connect.ts'

/** A connection for as long as `use` takes. */
export async function withClient<T>(connectionString: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = await connectClient({ connectionString, applicationName: 'waterline-changefeed demo' }, () => {})
  try {
    return await use(client)
  } finally {
    await client.end().catch(() => {}) // what `use` threw says more
  }
}
