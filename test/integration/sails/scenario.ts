import type { TestDatabase } from '../../helpers/database.ts'
import type { SailsClient } from '../../helpers/sails-client.ts'

/** Replaces all records with the same few, with the same ids. */
export async function seed(database: TestDatabase) {
  await database.query('truncate owner, pet, student, course, course_students__student_courses restart identity')
  await database.query(`
    insert into owner ("createdAt", "updatedAt", name) values (1, 1, 'ann'), (1, 1, 'bob');
    insert into pet ("createdAt", "updatedAt", name, owner) values (1, 1, 'rex', 1), (1, 1, 'tom', 2), (1, 1, 'stray', null);
    insert into student ("createdAt", "updatedAt", name) values (1, 1, 'sue'), (1, 1, 'tim');
    insert into course ("createdAt", "updatedAt", title) values (1, 1, 'art'), (1, 1, 'bio'), (1, 1, 'che');
    insert into course_students__student_courses (course_students, student_courses) values (1, 1), (2, 1)`)
}

export async function watchEverything(client: SailsClient) {
  for (const path of ['/owner', '/pet', '/student', '/course']) await client.get(path)
}

/** The messages of a socket as text, with all timestamps replaced by `now`. */
export const payloads = (client: SailsClient): string[] =>
  client.messages.all
    .filter(({ event }) => event !== 'mark')
    .map(({ event, data }) => `${event} ${JSON.stringify(inOrder(data)).replace(/\d{13}/g, 'now')}`)

/** Keys in alphabetical order. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, each]) => [key, inOrder(each)]))
}
