export interface PageModel {
  readonly identity: string
  readonly table: string
  /** Attributes that are not sent to clients, with the reason. */
  readonly hidden?: Readonly<Record<string, string>>
}

/** Settings of the page, embedded in its HTML. */
export interface PageSettings {
  readonly models: readonly PageModel[]
  /** Identity of the junction model of courses and users. */
  readonly links: string
  /** Sent with each writing request. */
  readonly token: string
  /** Whether the page may run SQL. */
  readonly sql: boolean
  /** A description of the database. */
  readonly database: string
  /** Command that opens psql on the demo's tables. */
  readonly psql: string
  /** Socket.io path of the sockets that only receive messages of blueprint actions. */
  readonly alonePath: string
}

/** Escapes `<`, which could end the script element. */
export const withSettings = (html: string, settings: PageSettings): string =>
  html.replace('"{{settings}}"', () => JSON.stringify(settings).replaceAll('<', '\\u003c'))
