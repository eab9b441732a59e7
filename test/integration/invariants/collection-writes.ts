import { randomOf as choicesOf } from '../../helpers/random.ts'

/** Each kind of collection. */
export const models = {
  owner: { attributes: { name: { type: 'string' }, pets: { collection: 'pet', via: 'owner' } } },
  pet: { attributes: { name: { type: 'string' }, owner: { model: 'owner' } } },
  student: { attributes: { name: { type: 'string' }, courses: { collection: 'course', via: 'students' } } },
  course: { attributes: { name: { type: 'string' }, students: { collection: 'student', via: 'courses' } } },
  author: { attributes: { name: { type: 'string' }, favorites: { collection: 'book' } } },
  book: { attributes: { name: { type: 'string' } } },
  driver: { attributes: { name: { type: 'string' }, taxis: { collection: 'taxi', via: 'driver', through: 'venue' } } },
  taxi: { attributes: { name: { type: 'string' }, drivers: { collection: 'driver', via: 'taxi', through: 'venue' } } },
  venue: { attributes: { driver: { model: 'driver' }, taxi: { model: 'taxi' } } },
}

/** Where references are stored: the table, and the referenced tables of both columns. */
const LINKS = [
  { table: 'course_students__student_courses', a: ['course_students', 'course'], b: ['student_courses', 'student'] },
  {
    table: 'author_favorites__book_favorites_book',
    a: ['author_favorites', 'author'],
    b: ['book_favorites_book', 'book'],
  },
  { table: 'venue', a: ['driver', 'driver'], b: ['taxi', 'taxi'] },
] as const

export const RECORDS = ['owner', 'pet', 'student', 'course', 'author', 'book', 'driver', 'taxi'] as const
const IDS = 4

/** `CHANGEFEED_SEEDS=20` runs more seeds than the suite, `CHANGEFEED_SEEDS=7,` only that one. */
const given = process.env.CHANGEFEED_SEEDS ?? '2'
export const seeds = given.includes(',')
  ? given.split(',').filter(Boolean).map(Number)
  : Array.from({ length: Number(given) }, (_, n) => n + 1)

export function randomOf(seed: number) {
  const random = choicesOf(seed)
  return { ...random, id: () => random.below(IDS) + 1 }
}

export type Random = ReturnType<typeof randomOf>

/** Nothing refers to the record any more. */
const clear = (table: string, id: number) => [
  ...(table === 'owner' ? [`update pet set owner = null where owner = ${id}`] : []),
  ...LINKS.flatMap(({ table: links, a, b }) =>
    [a, b].flatMap(([column, of]) => (of === table ? [`delete from ${links} where ${column} = ${id}`] : [])),
  ),
]

/** A link with two existing ends, possibly a duplicate. */
const linkOf = ({ table, a, b }: (typeof LINKS)[number], one: number, other: number) =>
  `insert into ${table} (${a[0]}, ${b[0]}) select a.id, b.id from ${a[1]} a, ${b[1]} b where a.id = ${one} and b.id = ${other}`

/** The transactions of one step, each a list of statements. */
export function writesOf(random: Random): string[][] {
  const { id, of, chance } = random
  const table = of(RECORDS)
  const links = of(LINKS)
  const [one, other] = [id(), id()]
  const create = `insert into ${table} (id, name) values (${one}, 'new') on conflict do nothing`
  const unlink = `delete from ${links.table} where ${links.a[0]} = ${one}`
  const relink = [1, 2, 3].slice(random.below(3)).map(member => linkOf(links, one, member))
  return of<() => string[][]>([
    () => [[...clear(table, one), create]],
    () => [[`update ${table} set name = 'v${random.below(99)}' where id <= ${one}`]],
    () => [[`update pet set owner = (select id from owner where id = ${other}) where id ${of(['=', '<='])} ${one}`]],
    () => [[`update pet set owner = null where id = ${one}`]],
    () => [[linkOf(links, one, other)]],
    () => [[linkOf(links, one, other)], [linkOf(links, one, other)]],
    () => [[`delete from ${links.table} where id = (select id from ${links.table} limit 1 offset ${random.below(4)})`]],
    () => [[`update venue set driver = (select id from driver where id = ${other}) where driver = ${one}`]],
    () => (chance(0.5) ? [[unlink], relink] : [[unlink, ...relink]]),
    () => [[`delete from ${table} where id = ${one}`]],
    () => [clear(table, one), [`delete from ${table} where id = ${one}`]],
    () => [[`delete from ${table} where id = ${one}`], clear(table, one)],
    () => [[`delete from ${table} where id = ${one}`, ...clear(table, one), create]],
    () => [[`truncate ${links.table}`]],
    () => [
      [
        `delete from owner where id = ${one}`,
        ...clear('owner', one),
        `update pet set owner = ${one} where id = ${other}`,
        `insert into owner (id, name) values (${one}, 'late')`,
      ],
    ],
  ])()
}
