/** Attributes of an account that are not sent to clients, with the reason. */
export const HIDDEN_ATTRIBUTES = {
  passwordHash: 'hidden by customToJSON',
  cardNumber: 'encrypted by Waterline',
  pin: 'redacted by the feed',
} as const

/** Models in the order of the page. */
export const SHOWN_MODELS = ['user', 'pet', 'course', 'account'] as const

/** As in a Sails app's `api/models`, with an explicit `id`, which Sails adds by default. */
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

/** Model options of the feed. Encrypted attributes are omitted without being listed. */
export const feedModels = { account: { omit: ['pin'] } }

/** The junction model of courses and users that Waterline generates. */
export const JUNCTION = 'course_students__user_courses'
