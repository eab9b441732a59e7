module.exports.changefeed = {
  // The feed sends the messages of all writes, in the order of the commits. With the default, `keep`, blueprints send theirs.
  blueprints: 'replace',
  // Phone numbers never enter the change log.
  models: { user: { omit: ['phone'] } },
}
