module.exports = {
  attributes: {
    name: { type: 'string', required: true },
    phone: { type: 'string' },
    pets: { collection: 'pet', via: 'owner' },
  },
}
