/** SQL examples that can be run repeatedly. */
export const EXAMPLES = [
  {
    title: 'Insert',
    sql: `insert into pets (name, kind, owner_id)
select 'Nala', 'cat', min(id) from users
returning *`,
  },
  { title: 'Bulk update', sql: 'update accounts set balance = balance * 1.01' },
  {
    title: 'Link',
    sql: `-- a student takes a course: one row in the junction table
insert into course_students__user_courses (course_students, user_courses)
select courses.id, users.id from courses, users
except select course_students, user_courses from course_students__user_courses
order by 2, 1 limit 1
returning *`,
  },
  {
    title: 'Delete',
    sql: `-- foreign keys update the rest: pets lose their owner, courses a student
delete from users where id = (select max(id) from users)
returning *`,
  },
  {
    title: 'Transaction',
    sql: `begin;
insert into users (name, city) values ('Barbara', 'Boston');
insert into pets (name, kind, owner_id) values ('Clu', 'owl', currval('users_id_seq'));
commit;`,
  },
  {
    title: 'Rollback',
    sql: `-- never committed, so no client receives a message
begin;
delete from pets;
rollback;`,
  },
  {
    title: 'Secrets',
    sql: `-- clients receive updated, without the hidden attributes
update accounts set pin = floor(random() * 9000 + 1000)::text, password_hash = md5(random()::text);
select * from accounts;`,
  },
  { title: 'Truncate', sql: 'truncate pets' },
]
