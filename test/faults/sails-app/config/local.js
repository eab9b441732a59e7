module.exports = { session: { secret: 'of no importance' }, hooks: { grunt: false } }
