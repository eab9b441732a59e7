/** What stays inside the database, by attribute of an account, and why. */
export const KEPT_INSIDE = {
  passwordHash: 'hidden by customToJSON',
  cardNumber: 'encrypted by Waterline',
  pin: 'redacted by the feed',
} as const

/** Models in the order in which the page shows them. */
export const SHOWN_MODELS = ['user', 'pet', 'course', 'account'] as const

/** As in a Sails app's `api/models`, with the id spelt out, which Sails would add. */
export const modelDefinitions = {
  user: {
    tableName: 'users',
    primaryKey: 'id',
    attributes: {
      id: { type: 'number', autoMigrations: { autoIncrement: true } },
      name: { type: 'string' },
      city: { type: 'string' },
      pets: { collection: 'pet', via: 'owner' },
      courses: { collection: 'course', via: 'students' },
    },
  },
  pet: {
    tableName: 'pets',
    primaryKey: 'id',
    attributes: {
      id: { type: 'number', autoMigrations: { autoIncrement: true } },
      name: { type: 'string' },
      kind: { type: 'string' },
      owner: { model: 'user', columnName: 'owner_id' },
    },
  },
  course: {
    tableName: 'courses',
    primaryKey: 'id',
    attributes: {
      id: { type: 'number', autoMigrations: { autoIncrement: true } },
      title: { type: 'string' },
      students: { collection: 'user', via: 'courses' },
    },
  },
  account: {
    tableName: 'accounts',
    primaryKey: 'id',
    attributes: {
      id: { type: 'number', autoMigrations: { autoIncrement: true } },
      holder: { type: 'string' },
      balance: { type: 'ref' },
      passwordHash: { type: 'string', columnName: 'password_hash' },
      cardNumber: { type: 'string', columnName: 'card_number', encrypt: true },
      pin: { type: 'string' },
    },
    customToJSON(this: Record<string, unknown>) {
      const { passwordHash: _hidden, ...shown } = this
      return shown
    },
  },
}

/** Of the feed: what no one but the table may know. Waterline's encrypted attributes are redacted without being named. */
export const feedModels = { account: { omit: ['pin'] } }

/** Waterline makes up the model between courses and users, and names it so. */
export const JUNCTION = 'course_students__user_courses'
