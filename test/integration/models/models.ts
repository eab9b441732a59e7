/** Definitions with one of each kind of association, as in a Sails app's `api/models`. */
export const definitions = {
  user: {
    tableName: 'people',
    attributes: {
      name: { type: 'string', columnName: 'full_name' },
      ssn: { type: 'string', encrypt: true },
      settings: { type: 'json' },
      avatar: { type: 'ref', columnType: 'bytea' },
      createdAt: { type: 'number', autoCreatedAt: true },
      updatedAt: { type: 'string', autoUpdatedAt: true, columnName: 'updated_at' },
      boss: { model: 'user' },
      reports: { collection: 'user', via: 'boss' },
      profile: { model: 'profile' },
      pets: { collection: 'pet', via: 'owner' },
      fostered: { collection: 'pet', via: 'sitter' },
      courses: { collection: 'course', via: 'students' },
      likes: { collection: 'pet' },
      friends: { collection: 'user' },
      follows: { collection: 'user', via: 'followers' },
      followers: { collection: 'user', via: 'follows' },
      groups: { collection: 'group', via: 'member', through: 'membership' },
    },
    customToJSON(this: object) {
      return 'name' in this ? { name: this.name } : {}
    },
  },
  pet: {
    primaryKey: 'tag',
    attributes: {
      tag: { type: 'string', required: true, columnName: 'pet_tag' },
      owner: { model: 'user', columnName: 'owner_id' },
      sitter: { model: 'user' },
    },
  },
  profile: { attributes: { user: { model: 'user' } } },
  course: { attributes: { students: { collection: 'user', via: 'courses' } } },
  group: { attributes: { members: { collection: 'user', via: 'group', through: 'membership' } } },
  membership: {
    attributes: {
      member: { model: 'user' },
      group: { model: 'group', columnName: 'group_id' },
      role: { type: 'string' },
    },
  },
}
