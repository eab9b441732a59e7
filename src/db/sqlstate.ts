/** The SQLSTATE codes that this package branches on, by their Postgres names. */
export const SQLSTATE = {
  uniqueViolation: '23505',
  insufficientPrivilege: '42501',
  undefinedTable: '42P01',
  undefinedObject: '42704',
  invalidSchemaName: '3F000',
  duplicateSchema: '42P06',
  duplicateTable: '42P07',
  invalidPassword: '28P01',
  invalidAuthorization: '28000',
  invalidCatalogName: '3D000',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
  adminShutdown: '57P01',
  readOnlyTransaction: '25006',
  tooManyConnections: '53300',
} as const

/** The SQLSTATE of a Postgres error; undefined for any other error. */
export function sqlstateOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}
