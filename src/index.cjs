// `require('waterline-changefeed')`. Node loads the ES module synchronously; from inside this package it does so without
// the warning that Node 20 prints when an app requires one.
module.exports = require('./index.js')
