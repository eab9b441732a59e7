import { byId, element } from '/page/element.js'

/** Ways to write a row, either by SQL or by a request to a blueprint action. */
const WRITERS = [
  {
    title: 'As the app',
    how: 'POST /pet, a blueprint action',
    request: { method: 'post', url: '/pet', data: { name: 'Bella', kind: 'dog', owner: 1 } },
  },
  {
    title: 'As psql',
    how: 'insert into pets ...',
    sql: `insert into pets (name, kind, owner_id)
select 'Nala', 'cat', min(id) from users`,
  },
  { title: 'As a cron job', how: 'update accounts ...', sql: 'update accounts set balance = balance * 1.01' },
  {
    title: 'Rolled back',
    how: 'begin; delete from pets; rollback',
    sql: `begin;
delete from pets;
rollback;`,
  },
]

/** Buttons that write. `send` makes a request to the app, `runSql` runs SQL, or is null if the page may not. */
export function writerButtons({ send, runSql }) {
  const usable = WRITERS.filter(({ sql }) => sql === undefined || runSql !== null)
  byId('writers').append(...usable.map(writer => button(writer, { send, runSql })))
}

function button({ title, how, sql, request }, { send, runSql }) {
  const made = element(
    'button',
    { type: 'button', title: sql ?? how },
    element('strong', {}, title),
    element('span', { className: 'mono' }, how),
  )
  made.addEventListener('click', () => void (sql === undefined ? send(request) : runSql(sql)))
  return made
}
