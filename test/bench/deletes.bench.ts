import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres.ts'
import { testDatabase } from '../helpers/database.ts'
import { afterScope } from '../helpers/scope.ts'
import { openShop } from '../integration/feed/fixture.ts'
import { bench } from './report/bench.ts'
import { figuresOf } from './report/figure.ts'
import { IS_SHORT } from './report/size.ts'

const via = { collection: 'toy', via: 'a' }

/** Users with three collections, whose rows refer to them, and students with courses, by a junction table. */
const models = {
  user: {
    attributes: {
      name: { type: 'string' },
      as: via,
      bs: { collection: 'toy', via: 'b' },
      cs: { collection: 'toy', via: 'c' },
    },
  },
  toy: { attributes: { a: { model: 'user' }, b: { model: 'user' }, c: { model: 'user' } } },
  student: { attributes: { courses: { collection: 'course', via: 'students' } } },
  course: { attributes: { students: { collection: 'student', via: 'courses' } } },
}

const LINKS = 'course_students__student_courses'

const usersWithToys = (users: number, toys: number) => [
  `insert into "user" (id, name) select n, 'user' from generate_series(1, ${users}) as n`,
  `insert into toy (a, b, c) select n % ${users * 20}, n % ${users * 20}, n % ${users * 20} from generate_series(1, ${toys}) as n`,
]

const CASES = [
  {
    title: '2,000 records with 3 indexed collections',
    before: [...usersWithToys(2_000, 6_000), ...['a', 'b', 'c'].map(name => `create index on toy (${name})`)],
    deletion: 'delete from "user"',
  },
  {
    title: '300 records beside 200,000 rows without an index',
    before: usersWithToys(300, 200_000),
    deletion: 'delete from "user"',
  },
  {
    title: '2,000 links removed',
    before: [
      'insert into student (id) select n from generate_series(1, 200) as n',
      'insert into course (id) select n from generate_series(1, 10) as n',
      `insert into ${LINKS} (student_courses, course_students) select s, c from generate_series(1, 200) s, generate_series(1, 10) c`,
    ],
    deletion: `delete from ${LINKS}`,
  },
]

bench.skipIf(IS_SHORT)('deletions of records with collections', async ({ report }) => {
  const samples: Record<string, number[]> = {}
  for (const each of CASES) samples[each.title] = [await publicationMs(each)]
  report({
    title: 'Deletions, from the commit until all is published',
    figures: figuresOf('ms', 'until published', samples),
  })
})

async function publicationMs({ before, deletion }: (typeof CASES)[number]) {
  const server = await startEmbeddedPostgres()
  afterScope(() => server.stop('immediate'))
  const shop = await openShop(await testDatabase({ server }), { models })
  const feed = shop.feed()
  await feed.install()
  for (const statement of [...before, 'analyze']) await shop.database.query(statement)
  await feed.start()
  await feed.settled()
  await shop.database.query(deletion)
  const startedAt = performance.now()
  await feed.settled()
  return performance.now() - startedAt
}
