module.exports.bootstrap = async () => {
  if (process.argv[1].includes('cli')) console.log('bootstrap ran in the listener')
}
