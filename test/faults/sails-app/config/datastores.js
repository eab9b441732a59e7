module.exports.datastores = { default: { adapter: 'sails-postgresql', url: process.env.APP_DATABASE_URL } }
