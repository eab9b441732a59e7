module.exports.blueprints = { rest: true, shortcuts: false }
