module.exports.bootstrap = done => {
  if (process.argv[1]?.includes('cli')) throw new Error('Only a lifted app runs its bootstrap.')
  done()
}
