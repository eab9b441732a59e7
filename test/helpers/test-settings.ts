/** What the tests need of a Postgres server; one that is given by `TEST_DATABASE_URL` must have it too. */
export const testSettings = {
  wal_level: 'logical',
  max_prepared_transactions: '20',
  max_connections: '200',
}
