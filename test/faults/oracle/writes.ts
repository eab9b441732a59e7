import type { Random } from '../../helpers/random.ts'

/** Part of every name that a transaction writes and takes back. */
export const PHANTOM = 'phantom'

const IDS = 24
const BULK = 700

/** Where generated statements take their choices and names from. */
interface Source extends Random {
  id(): number
  /** A new name, quoted. */
  name(): string
}

const RECORDS = ['"user"', 'pet', '"group"', 'club'] as const
const LINKS = [
  { table: 'group_members__user_groups', a: ['group_members', '"group"'], b: ['user_groups', '"user"'] },
  { table: 'pet_likes_pet__user_likes', a: ['pet_likes_pet', 'pet'], b: ['user_likes', '"user"'] },
  { table: 'membership', a: ['pet', 'pet'], b: ['club', 'club'] },
] as const
type Links = (typeof LINKS)[number]

/** The statements of the next transaction of a writer, from BEGIN on. They depend on the random choices alone. */
export function nextTransaction(random: Random, label: string): string[] {
  if (random.chance(0.01)) return [random.of(ALTERATIONS)]
  const end = random.of(['commit', 'commit', 'commit', 'commit', 'commit', 'commit', 'rollback', 'prepare'] as const)
  const kept = end === 'commit' || (end === 'prepare' && random.chance(0.5))
  const id = () => random.below(IDS) + 1
  let names = 0
  const source = (phantom: boolean): Source => ({
    ...random,
    id,
    name: () => `'${label}.${++names}${phantom ? PHANTOM : ''}.${random.below(10)}'`,
  })
  const body = Array.from({ length: random.below(4) + 1 }).flatMap(() => block(source(!kept), source(true)))
  if (end !== 'prepare') return ['begin', ...body, end]
  const gid = `'${label}'`
  const quiet = 'set local changefeed.notify = off' // PostgreSQL prepares no transaction with a NOTIFY
  return ['begin', quiet, ...body, `prepare transaction ${gid}`, `${kept ? 'commit' : 'rollback'} prepared ${gid}`]
}

/** A step, in a savepoint or not. */
function block(source: Source, phantom: Source): string[] {
  if (source.chance(0.75)) return step(source)
  const inner = source.chance(0.3) ? ['savepoint b', ...step(phantom), 'rollback to b'] : []
  if (source.chance(0.5)) return ['savepoint a', ...step(source), ...inner, 'release a']
  return ['savepoint a', ...step(phantom), ...inner, 'rollback to a', ...step(source)]
}

const ALTERATIONS = [
  'alter table pet add column if not exists extra int default 5',
  'alter table pet drop column if exists extra',
  'alter table club alter column note type text',
  'alter table club alter column note type varchar(40)',
  `do $$ begin alter table pet rename column note to remark; exception when undefined_column then
    alter table pet rename column remark to note; end $$`,
]

/** One or more statements that belong together. */
function step(source: Source): string[] {
  const { id, name, of, chance, below } = source
  const table = of(RECORDS)
  const links = of(LINKS)
  const [one, other] = [id(), id()]
  return of<() => string[]>([
    () => [`insert into ${table} (id, name, rev) values (${one}, ${name()}, 1) on conflict do nothing`],
    () => [upsert(table, `(${one}, ${name()}, 1), (${one + 1}, ${name()}, 1)`)],
    () => [`update ${table} set name = ${name()}, rev = rev + 1 where id = ${one}`],
    () => [`update ${table} set name = ${name()}, rev = rev + 1 where id = ${one}`],
    () => [`update ${table} set name = ${name()}, rev = rev + 1 where id between ${one} and ${one + below(8)}`],
    () => [`update pet set data = jsonb_build_object('n', rev), rev = rev + 1 where id = ${one}`],
    () => [`update ${table} set name = name where id = ${one}`],
    () => [`delete from ${table} where id = ${one}`],
    () => [`delete from ${table} where id = ${one}`, upsert(table, `(${one}, ${name()}, 1)`)],
    () => [`update ${table} set id = ${one + IDS}, rev = rev + 1 where id = ${one}`],
    () => [`update ${table} set id = ${one}, rev = rev + 1 where id = ${one + IDS}`],
    () => [`update pet set owner = (select id from "user" where id = ${other}), rev = rev + 1 where id = ${one}`],
    () => [`update pet set owner = null, rev = rev + 1 where owner = ${one}`],
    () => [`update "user" set mentor = (select id from "user" where id = ${other}), rev = rev + 1 where id = ${one}`],
    () => late(one, other, name),
    () => [linkOf(links, one, other)],
    () => [linkOf(links, one, other)],
    () => [`delete from ${links.table} where ${links.a[0]} = ${one}`],
    () => replace(links, one, [id(), id()]),
    () => [`update membership set club = (select id from club where id = ${other}), rev = rev + 1 where pet = ${one}`],
    () => [merge(one, other, name)],
    () => [move(one, other)],
    () => [
      `with u as (update "user" set rev = rev + 1 where id = ${one} returning id)
      update pet set owner = u.id, rev = rev + 1 from u where pet.id between ${other} and ${other + 2}`,
    ],
    () => visit(source),
    () => [`update visit set region = '${of(['a', 'b', 'c'])}', rev = rev + 1 where id = ${one}`],
    () => [`delete from visit where pet = ${one}`],
    () => (chance(0.3) ? bulk(source) : [`update sample set rev = rev + 1 where id = ${one}`]),
    () => (chance(0.1) ? [`truncate ${of(['visit', 'membership', LINKS[0].table, 'sample'])}`] : []),
  ])()
}

const upsert = (table: string, values: string) =>
  `insert into ${table} as t (id, name, rev) values ${values}
    on conflict (id) do update set name = excluded.name, rev = t.rev + 1`

/** A member that refers to its parent before the parent exists. */
const late = (one: number, other: number, name: () => string) => [
  'set constraints all deferred',
  `insert into pet (id, name, rev, owner) select ${one}, ${name()}, 1, ${other}
    where not exists (select from pet where id = ${one})`,
  `insert into "user" (id, name, rev) values (${other}, ${name()}, 1) on conflict do nothing`,
]

/** A link with two existing ends, possibly a duplicate. */
const linkOf = ({ table, a, b }: Links, one: number, other: number) =>
  `insert into ${table} (${a[0]}, ${b[0]}) select a.id, b.id from ${a[1]} a, ${b[1]} b where a.id = ${one} and b.id = ${other}`

const replace = (links: Links, one: number, members: number[]) => [
  `delete from ${links.table} where ${links.a[0]} = ${one}`,
  ...members.map(member => linkOf(links, one, member)),
]

const merge = (one: number, other: number, name: () => string) => `
  merge into pet using (values (${one}, ${name()}), (${other + IDS}, ${name()})) as s (id, name) on pet.id = s.id
  when matched and pet.rev % 5 = 0 then delete
  when matched then update set name = s.name, rev = pet.rev + 1
  when not matched then insert (id, name, rev) values (s.id, s.name, 1)`

/** As one statement: a row leaves and comes again under another id. */
const move = (one: number, other: number) => `
  with gone as (delete from club where id = ${one} returning name, rev)
  insert into club (id, name, rev) select ${other + IDS}, name, rev + 1 from gone on conflict do nothing`

/** The partition key is part of the primary key, so two rows could have one id: the lock prevents it. */
function visit({ id, name, of }: Source): string[] {
  const one = id()
  return [
    `select pg_advisory_xact_lock(4711, ${one})`,
    `insert into visit (id, region, name, rev, pet) select ${one}, '${of(['a', 'b', 'c'])}', ${name()}, 1,
      (select id from pet where id = ${id()}) where not exists (select from visit where id = ${one})`,
  ]
}

/** More rows than a page of the reader has. */
function bulk({ name, of, below }: Source): string[] {
  const from = below(3) * BULK
  const first = 10_000 + below(100) * 100
  const rows = Array.from({ length: 20 }, (_, n) => `${first + n}\\t${name().slice(1, -1)}\\t1`).join('\\n')
  return of([
    [
      `insert into sample select n, ${name()}, 1 from generate_series(${from}, ${from + BULK}) n
      on conflict (id) do update set name = excluded.name, rev = sample.rev + 1`,
    ],
    [`update sample set rev = rev + 1, name = ${name()} where id between ${from} and ${from + BULK}`],
    [`delete from sample where id between ${from} and ${from + BULK}`],
    [`delete from sample where id between ${first} and ${first + 99}`],
    [
      `delete from sample where id between ${first} and ${first + 99}`,
      `copy sample from program $$printf '${rows}\\n'$$`,
    ],
  ])
}
