module.exports = {
  session: { secret: 'of no importance' },
  hooks: {
    grunt: false,
    orm: require('sails-hook-orm'),
    sockets: require('sails-hook-sockets'),
  },
}
