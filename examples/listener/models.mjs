export const models = {
  todo: {
    attributes: {
      id: { type: 'number', autoMigrations: { autoIncrement: true } },
      title: { type: 'string', required: true },
      done: { type: 'boolean' },
    },
  },
}
