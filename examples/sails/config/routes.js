module.exports.routes = {
  'GET /sails.io.js': (_req, res) => res.sendFile(require.resolve('sails.io.js-dist')),
}
