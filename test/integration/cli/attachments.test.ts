import { describe, expect, test } from 'vitest'
import { openAttachments } from '../../../src/cli/attachments.ts'
import { openClusterEmitter } from '../../../src/cli/cluster-emitter.ts'
import type { CommandContext } from '../../../src/cli/command-context.ts'
import { openDatabase } from '../../../src/db/connect.ts'
import { testDatabase } from '../../helpers/database.ts'
import { eventually } from '../../helpers/eventually.ts'
import { afterScope } from '../../helpers/scope.ts'
import { memoryLogger } from '../realtime/memory-logger.ts'

const TABLE =
  'create table socket_io_attachments (id bigserial unique, created_at timestamptz default now(), payload bytea)'
const FUNCTION = 'create function f() returns timestamptz language sql as $$ select now() $$'
const TRIGGER = 'create function g() returns trigger language plpgsql as $$ begin return new; end $$'

async function setUp(...statements: string[]) {
  const database = await testDatabase()
  const owner = await database.role()
  await database.query(`grant create on schema public to "${owner.name}"`)
  const as = await database.connect({ connectionString: owner.connectionString })
  for (const statement of statements) await as.query(statement)
  const open = async (connectionString: string) => {
    const db = openDatabase({ connectionString, applicationName: 'adapter' }, 'changefeed')
    afterScope(() => db.close())
    return await openAttachments(db)
  }
  return { database, owner, open }
}

describe('the table of the Postgres adapter', () => {
  test('is created if missing, and used if it belongs to the role', async () => {
    const { database, owner, open } = await setUp()
    expect(await open(owner.connectionString)).toBe('public.socket_io_attachments')
    expect(await open(owner.connectionString)).toBe('public.socket_io_attachments')
    const [row] = await database.query('select tableowner from pg_tables where tablename = $1', [
      'socket_io_attachments',
    ])
    expect(row).toEqual({ tableowner: owner.name })
  })

  test('of another role is refused to superusers and other roles, and allowed to members of its owner', async () => {
    const { database, owner, open } = await setUp(TABLE)
    const [stranger, member] = [await database.role(), await database.role()]
    await database.query(`grant "${owner.name}" to "${member.name}"`)
    for (const { connectionString } of [database, stranger]) {
      await expect(open(connectionString)).rejects.toMatchObject({
        code: 'E_OPTIONS',
        message: expect.stringMatching(
          new RegExp(
            `^--adapter postgres would write to public.socket_io_attachments, which belongs to another role.*"${owner.name}"`,
          ),
        ),
      })
    }
    expect(await open(member.connectionString)).toBe('public.socket_io_attachments')
  })

  const traps: [string, string, string[]][] = [
    [
      'a view',
      'is no plain table',
      ['create view socket_io_attachments as select 1::bigint as id, null::bytea as payload'],
    ],
    [
      'a partitioned table',
      'is no plain table',
      ['create table socket_io_attachments (id bigint, payload bytea) partition by list (id)'],
    ],
    [
      'a trigger',
      'has triggers',
      [TABLE, TRIGGER, 'create trigger t before insert on socket_io_attachments for each row execute function g()'],
    ],
    ['a rule', 'has rules', [TABLE, 'create rule r as on insert to socket_io_attachments do also select 1']],
    ['a policy', 'has row-level security', [TABLE, 'alter table socket_io_attachments enable row level security']],
    ['a child', 'takes part in inheritance', [TABLE, 'create table child () inherits (socket_io_attachments)']],
    ['a check', 'has constraints', [TABLE, 'alter table socket_io_attachments add check (id > 0)']],
    ['an index', 'has an index on an expression', [TABLE, 'create index on socket_io_attachments ((length(payload)))']],
    ['a default', 'has defaults that call functions', [FUNCTION, TABLE.replace('now()', 'f()')]],
    ['a domain', 'has columns of types', ['create domain d as bytea', TABLE.replace('bytea', 'd')]],
  ]
  test.each(traps)('with %s is refused, regardless of the owner', async (_name, problem, statements) => {
    const { owner, open } = await setUp(...statements)
    await expect(open(owner.connectionString)).rejects.toThrow(problem)
  })
})

test('the adapter survives the loss of its connections, and large messages go through the table', {
  timeout: 90_000,
}, async () => {
  const { database, owner } = await setUp()
  const context = {
    settings: { adapter: 'postgres', schema: 'changefeed' },
    address: async () => ({ connectionString: owner.connectionString }),
  }
  const emitter = await openClusterEmitter(context as unknown as CommandContext, memoryLogger())
  afterScope(() => emitter.close())
  const sessions = async () =>
    await database.query<{ pid: number }>(
      `select pid from pg_stat_activity where datname = current_database() and query like 'LISTEN "socket.io%'`,
    )
  await eventually(async () => expect(await sessions()).toHaveLength(1))
  for (let lost = 0; lost < 4; lost++) {
    const [session] = await sessions()
    await database.query('select pg_terminate_backend($1)', [session?.pid])
    await eventually(
      async () => {
        const pids = (await sessions()).map(({ pid }) => pid)
        expect([pids.length, pids.includes(session?.pid ?? 0)]).toEqual([1, false])
      },
      { withinMs: 15_000 },
    )
  }
  emitter.io.emit('big', 'x'.repeat(20_000))
  await eventually(async () => expect(await database.query('select id from socket_io_attachments')).toHaveLength(1))
})
