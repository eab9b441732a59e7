export interface PageModel {
  readonly identity: string
  readonly table: string
  /** Attributes that never leave the database, and why. */
  readonly inside?: Readonly<Record<string, string>>
}

/** What the page must know, set into its HTML. */
export interface PageSettings {
  readonly models: readonly PageModel[]
  /** Identity of the model between courses and users. */
  readonly links: string
  /** Sent along with each request that writes. */
  readonly token: string
  /** Whether the page may run SQL. */
  readonly sql: boolean
  /** In words. */
  readonly database: string
  /** Command that opens psql on the demo's tables. */
  readonly psql: string
  /** Socket.io path of the sockets that hear blueprint actions only. */
  readonly alonePath: string
}

/** `<` could end the element that the settings stand in. */
export const withSettings = (html: string, settings: PageSettings): string =>
  html.replace('"{{settings}}"', () => JSON.stringify(settings).replaceAll('<', '\\u003c'))
