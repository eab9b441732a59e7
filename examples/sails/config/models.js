module.exports.models = {
  migrate: 'alter', // in development: creates the tables, and lets the hook install capture
  archiveModelIdentity: false,
  attributes: {
    id: { type: 'number', autoIncrement: true },
    createdAt: { type: 'number', autoCreatedAt: true },
    updatedAt: { type: 'number', autoUpdatedAt: true },
  },
}
